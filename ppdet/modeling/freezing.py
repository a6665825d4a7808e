"""Training one part of a network only."""

from __future__ import annotations

from paddle import nn

from ppdet.core.errors import UserError


def freeze_all_but(model: nn.Layer, part: str, key: str) -> None:
    """Freezes all of `model` outside of its sublayer `part`: parameters, and the running statistics of norms.

    Nothing before `part` takes part in the backward pass.

    Args:
        model: the network.
        part: the dotted name of a sublayer, as "head.one_to_one".
        key: the config's key of `part`, for the error.

    Raises:
        UserError: there is no such sublayer.
    """
    layers = dict(model.named_sublayers())
    if part not in layers:
        parts = [name for name in layers if name.count(".") < 2 and not name.rpartition(".")[2].isdecimal()]
        raise UserError(f"{key}: found {part!r}; expected a part of the model: {', '.join(parts)}")
    trained = {id(layer) for layer in layers[part].sublayers(include_self=True)}
    for layer in layers.values():
        if id(layer) in trained:
            continue
        for parameter in layer.parameters(include_sublayers=False):
            parameter.stop_gradient = True
        if isinstance(layer, nn.BatchNorm2D):
            layer._use_global_stats = True

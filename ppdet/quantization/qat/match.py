"""Finds the layers of a detector that the convolutions of its exported graph were made of."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from paddle import nn

from ppdet.core.errors import UserError
from ppdet.quantization.network import Conv

_TOLERANCE = 1e-4  # of the largest weight of a layer: the export folds norms in another order of operations


def layer_names(convs: Mapping[str, Conv], exported: nn.Layer) -> dict[str, str]:
    """Returns the name of the layer of each convolution, by the name of its node.

    Args:
        convs: those of the graph.
        exported: the network that was exported, with norms folded into convolutions.

    Raises:
        UserError: no layer has the weights and the bias of a convolution.
    """
    layers = {name: layer for name, layer in exported.named_sublayers() if isinstance(layer, nn.Conv2D)}
    found: dict[str, str] = {}
    for conv in convs.values():
        name = next((name for name, layer in layers.items() if _same(conv, layer)), None)
        if name is None:
            shape = " x ".join(map(str, conv.weight.shape))
            raise UserError(f"{conv.name}: no layer of the model has the weights of this convolution of {shape}")
        found[conv.name] = name
        del layers[name]
    return found


def _same(conv: Conv, layer: nn.Conv2D) -> bool:
    weight = layer.weight
    if tuple(weight.shape) != conv.weight.shape:
        return False
    bias = np.zeros(weight.shape[0], np.float32) if layer.bias is None else layer.bias.numpy()
    return _close(conv.weight, weight.numpy()) and _close(conv.bias, bias)


def _close(found: np.ndarray, expected: np.ndarray) -> bool:
    return bool(np.abs(found - expected).max() <= _TOLERANCE * max(float(np.abs(expected).max()), 1e-20))

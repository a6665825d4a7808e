"""The model of a training run, and what belongs to it: its average and its mixed precision."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import paddle
from paddle import nn

from ppdet.core.errors import UserError
from ppdet.core.settings import Settings
from ppdet.data.datasets import Category
from ppdet.distillation import Distiller
from ppdet.modeling import PicoDet
from ppdet.modeling.cpu_training.layers import use_cpu_kernels
from ppdet.modeling.cpu_training.rounding import cpu_kernels
from ppdet.modeling.fake_quant import PADDLE_KERNELS, Int8Layout, attach_fake_quant
from ppdet.optim.ema import ModelEMA
from ppdet.runtime import distributed
from ppdet.runtime.cpu_tuning import cpu_threads
from ppdet.runtime.device import amp_dtype, supports_sync_bn
from ppdet.session import Session
from ppdet.training.static_graph import StaticNetwork
from ppdet.utils.download import resolve_weights
from ppdet.weights.load import load_pretrained
from ppdet.weights.published_names import published_name
from ppdet.weights.trained_classes import starting_classes

logger = logging.getLogger(__name__)


def build_training_model(
    session: Session,
    pretrain_weights: str | None,
    categories: Sequence[Category],
    int8: Int8Layout | None = None,
) -> PicoDet:
    """The model as it is trained on this device.

    Args:
        session: config and device.
        pretrain_weights: path, URL or name of the weights that it starts from; None: it starts untrained.
        categories: its classes.
        int8: the quantization of a training in INT8, whose `pretrain_weights` hold the steps as well.

    Raises:
        UserError: the weights do not fit, or the losses do not fit accumulate_steps.
    """
    settings, model = session.settings, session.build_model()
    if settings.accumulate_steps > 1 and not model.criterion.has_one_divisor:
        raise UserError(
            f"accumulate_steps: found {settings.accumulate_steps}; expected 1 with {type(model.head).__name__}, whose "
            "losses have two divisors that are known after the last batch only; raise TrainReader.batch_size instead"
        )
    on_host = session.device == "cpu" and not settings.to_static  # the graph can hold Paddle's operators only
    if on_host:
        use_cpu_kernels(model, cpu_threads())
    if int8:
        attach_fake_quant(model, int8, cpu_kernels() if on_host else PADDLE_KERNELS)
    if pretrain_weights:
        file = resolve_weights(pretrain_weights)
        load_pretrained(model, file, starting_classes(pretrain_weights, file, categories, settings.remap_classes))
    return _with_sync_bn(model, session)


def training_network(model: PicoDet, distiller: Distiller | None, to_static: bool) -> nn.Layer:
    """The layer that is trained, as a static graph if that is wanted, with its teacher if there is one."""
    network = distiller.student if distiller else model
    if to_static:
        network = StaticNetwork(network)
    return distiller.beside_teacher(network) if distiller else network


def build_ema(model: PicoDet, settings: Settings) -> ModelEMA | None:
    """The averaged weights, if the run has them."""
    if not settings.use_ema:
        return None
    parts, names = settings.ema_black_list or (), model.state_dict()
    left_out = [name for name in names if any(part in published_name(name) for part in parts)]
    return ModelEMA(model, settings.ema_decay, settings.ema_decay_type, settings.cycle_epoch, left_out)


def training_amp(session: Session) -> str | None:
    """The type of mixed precision, None for float32. Logs a warning if the device has none but it is asked for."""
    dtype = amp_dtype(session.device) if session.settings.amp else None
    if session.settings.amp and dtype is None:
        logger.warning("amp: %s has no mixed precision, training in float32", session.device)
    return dtype


def build_scaler(amp: str | None) -> paddle.amp.GradScaler:
    """The scale of the loss; it does nothing unless mixed precision is in float16."""
    return paddle.amp.GradScaler(enable=amp == "float16", init_loss_scaling=1024)


def _with_sync_bn(model: PicoDet, session: Session) -> PicoDet:
    """`model`, with norms that share their statistics over ranks if the config asks for it."""
    wanted = session.settings.sync_bn or session.settings.norm_type == "sync_bn"
    if not wanted or distributed.world_size() == 1:
        return model
    if not supports_sync_bn(session.device):
        logger.warning("sync_bn: %s cannot share norm statistics, each rank keeps its own", session.device)
        return model
    _share_statistics(model)
    return model


def _share_statistics(layer: nn.Layer) -> None:
    """Makes the norms below `layer` share their statistics over ranks; frozen ones have none to share."""
    for name, child in list(layer.named_children()):
        if not isinstance(child, nn.BatchNorm2D):
            _share_statistics(child)
        elif not child._use_global_stats:
            setattr(layer, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))

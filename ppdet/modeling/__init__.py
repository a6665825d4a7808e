"""Networks, assigners, losses and post-processing. Importing the package registers every class a config can name."""

from ppdet.modeling import assigners, backbones, heads, necks
from ppdet.modeling.build import build_model
from ppdet.modeling.losses import DistributionFocalLoss, GIoULoss, VarifocalLoss
from ppdet.modeling.nms import MultiClassNMS
from ppdet.modeling.picodet import PicoDet
from ppdet.modeling.structures import Targets

__all__ = [
    "DistributionFocalLoss",
    "GIoULoss",
    "MultiClassNMS",
    "PicoDet",
    "Targets",
    "VarifocalLoss",
    "assigners",
    "backbones",
    "build_model",
    "heads",
    "necks",
]

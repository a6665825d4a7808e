"""Dense heads: pyramid features -> scores and box distributions of every grid point, their loss and their decoding."""

from ppdet.modeling.heads.pico_feat import PicoFeat
from ppdet.modeling.heads.pico_head import PicoHead
from ppdet.modeling.heads.pico_head_e2e import PicoHeadE2E
from ppdet.modeling.heads.pico_head_v2 import PicoHeadV2

__all__ = ["PicoFeat", "PicoHead", "PicoHeadE2E", "PicoHeadV2"]

"""Necks: backbone features -> pyramid features of one width, with `out_channels` and `out_strides`."""

from ppdet.modeling.necks.csp_pan import CSPPAN
from ppdet.modeling.necks.lc_pan import LCPAN

__all__ = ["CSPPAN", "LCPAN"]

"""Maps our parameter names to those in PaddleDetection's weight files, and back.

Our names follow one scheme for all backbones, necks and heads; the published names do not. Only this module
knows the published names, so that files written here load in PaddleDetection and its files load here.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from ppdet.modeling import PicoDet
from ppdet.modeling.heads import PicoHeadV2

# The modules that PaddleDetection builds from one class ("DP module"): the stride-2 convolutions of the necks, the CSP
# bottlenecks and the head's alignment branch.
_DP_MODULE = r"^(neck\.(?:downsamples\.\d+|(?:first|second)_top_conv|.*\.conv2)|head\.cls_align\.\d+)"


def _numbered_block(match: re.Match[str]) -> str:
    return f"backbone.{match[1]}_{int(match[2]) + 1}._{match[3]}."


# Pairs of (part of our name, published replacement), applied in order.
_RULES: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
    # ESNet and ShuffleNetV2
    (r"^backbone\.stage(\d)\.(\d+)\.(conv_\w+|se)\.", _numbered_block),
    (r"^backbone\.stem\.", "backbone._conv1."),
    (r"^(backbone\.(?:_conv1|\d_\d+\._conv_\w+))\.conv\.", r"\1._conv."),
    (r"^(backbone\.(?:_conv1|\d_\d+\._conv_\w+))\.norm\.", r"\1._batch_norm."),
    # LCNet, MobileNetV3 and the necks
    (r"^neck\.lateral_convs\.", "neck.conv_t.convs."),
    (_DP_MODULE + r"\.dw_conv\.conv\.", r"\1.dwconv."),
    (_DP_MODULE + r"\.dw_conv\.norm\.", r"\1.bn1."),
    (_DP_MODULE + r"\.pw_conv\.conv\.", r"\1.pwconv."),
    (_DP_MODULE + r"\.pw_conv\.norm\.", r"\1.bn2."),
    (r"^((?:backbone|neck)\.(?!res\d\.|conv1\.conv1).*)\.norm\.", r"\1.bn."),  # ResNet's are called as ours
    # PicoFeat: the published names contain the dot
    (r"^head\.conv_feat\.(cls|reg)_convs\.(\d+)\.(\d+)\.(dw|pw)_conv\.", r"head.conv_feat.\1_conv_\4\2.\3."),
    # prediction layers
    (r"^head\.(head_cls|head_reg)\.(\d+)\.", r"head.\1\2."),
]


def published_name(name: str) -> str:
    """Returns the published name of our state-dict entry `name`."""
    for pattern, replacement in _RULES:
        name = re.sub(pattern, replacement, name)
    return name


def alias(published: str) -> str | None:
    """Returns the second name that a prediction layer of PicoHeadV2 has in published files; None for other layers."""
    renamed = re.sub(r"^head\.(head_cls|head_reg)(\d+)\.", r"head.\1_list.\2.", published)
    return renamed if renamed != published else None


def without_effect(model: PicoDet) -> dict[str, np.ndarray]:
    """Returns the entries of published files that no output depends on: unused scales, and the bins 0 … reg_max."""
    entries = {f"head.p{3 + i}_feat.scale_reg": np.ones(1, "float32") for i in range(len(model.head.fpn_stride))}
    entries["head.distribution_project.project"] = np.arange(model.head.reg_max + 1, dtype="float32")
    return entries


def to_published(model: PicoDet, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the complete state dict that PaddleDetection expects for this model.

    Args:
        model: the detector.
        state: its state dict with our names.
    """
    published = {published_name(name): value for name, value in state.items()}
    if isinstance(model.head, PicoHeadV2):
        published |= {second: value for name, value in published.items() if (second := alias(name))}
    return published | without_effect(model)


def from_published(model: PicoDet, published: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the entries of a published file under our names; entries that we have no tensor for keep their names."""
    ours = {published_name(name): name for name in model.state_dict()}
    ours |= {second: name for published, name in ours.items() if (second := alias(published))}
    ignored = without_effect(model)
    # a tensor's main name wins over its alias, whatever their order in the file
    entries = sorted(published.items(), key=lambda item: alias(item[0]) is not None or "_list." not in item[0])
    return {ours.get(name, name): value for name, value in entries if name not in ignored}

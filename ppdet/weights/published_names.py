"""Our parameter names -> the names in PaddleDetection's weight files.

Our module tree is alike for both backbones, both necks and both heads; the published one grew over the years. This is
the only place that knows the difference, so that files written here load there and the other way round.
"""

from __future__ import annotations

import re

import numpy as np

from ppdet.modeling import PicoDet
from ppdet.modeling.heads import PicoHeadV2

# Applied in order to each of our names; (part of the name, what is published in its place).
_RULES: list[tuple[re.Pattern[str], str]] = [
    (re.compile(pattern), published)
    for pattern, published in [
        # ESNet
        (r"^backbone\.stage(\d)\.(\d+)\.(conv_\w+|se)\.", lambda m: f"backbone.{m[1]}_{int(m[2]) + 1}._{m[3]}."),
        (r"^backbone\.stem\.", "backbone._conv1."),
        (r"^(backbone\.(?:_conv1|\d_\d+\._conv_\w+))\.conv\.", r"\1._conv."),
        (r"^(backbone\.(?:_conv1|\d_\d+\._conv_\w+))\.norm\.", r"\1._batch_norm."),
        # LCNet and the necks
        (r"^neck\.lateral_convs\.", "neck.conv_t.convs."),
        # stride-2 convolutions of the necks, CSP bottlenecks and the alignment branch ("DP modules")
        (r"^(neck\.(?:downsamples\.\d+|(?:first|second)_top_conv|.*\.conv2)|head\.cls_align\.\d+)\.dw_conv\.conv\.",
         r"\1.dwconv."),
        (r"^(neck\.(?:downsamples\.\d+|(?:first|second)_top_conv|.*\.conv2)|head\.cls_align\.\d+)\.dw_conv\.norm\.",
         r"\1.bn1."),
        (r"^(neck\.(?:downsamples\.\d+|(?:first|second)_top_conv|.*\.conv2)|head\.cls_align\.\d+)\.pw_conv\.conv\.",
         r"\1.pwconv."),
        (r"^(neck\.(?:downsamples\.\d+|(?:first|second)_top_conv|.*\.conv2)|head\.cls_align\.\d+)\.pw_conv\.norm\.",
         r"\1.bn2."),
        (r"^((?:backbone|neck)\..*)\.norm\.", r"\1.bn."),
        # PicoFeat: the published names contain the dot
        (r"^head\.conv_feat\.(cls|reg)_convs\.(\d+)\.(\d+)\.(dw|pw)_conv\.", r"head.conv_feat.\1_conv_\4\2.\3."),
        # prediction layers
        (r"^head\.(head_cls|head_reg)\.(\d+)\.", r"head.\1\2."),
    ]
]  # fmt: skip


def published_name(name: str) -> str:
    """The published name of our state-dict entry `name`."""
    for pattern, published in _RULES:
        name = pattern.sub(published, name)
    return name


def alias(published: str) -> str | None:
    """The second name under which PicoHeadV2's prediction layers stand in published files, if `published` is one."""
    renamed = re.sub(r"^head\.(head_cls|head_reg)(\d+)\.", r"head.\1_list.\2.", published)
    return renamed if renamed != published else None


def without_effect(model: PicoDet) -> dict[str, np.ndarray]:
    """Entries of published files that no output depends on: unused scales, and the bins 0 … reg_max."""
    entries = {f"head.p{3 + i}_feat.scale_reg": np.ones(1, "float32") for i in range(len(model.head.fpn_stride))}
    entries["head.distribution_project.project"] = np.arange(model.head.reg_max + 1, dtype="float32")
    return entries


def to_published(model: PicoDet, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A state dict in our names -> the complete state dict PaddleDetection expects for this model."""
    published = {published_name(name): value for name, value in state.items()}
    if isinstance(model.head, PicoHeadV2):
        published |= {second: value for name, value in published.items() if (second := alias(name))}
    return published | without_effect(model)


def from_published(model: PicoDet, published: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The reverse: entries of a weight file under our names; names that belong to no tensor of ours are kept."""
    ours = {published_name(name): name for name in model.state_dict()}
    ours |= {second: name for published, name in ours.items() if (second := alias(published))}
    ignored = without_effect(model)
    # a tensor's main name wins over its alias, whatever their order in the file
    entries = sorted(published.items(), key=lambda item: alias(item[0]) is not None or "_list." not in item[0])
    return {ours.get(name, name): value for name, value in entries if name not in ignored}

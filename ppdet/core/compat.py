"""Top-level keys of PaddleDetection's configs that have no effect here, and the rule for `-o`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ppdet.core.config import parse_override
from ppdet.core.errors import UserError

# Key -> what to do instead; "" if there is nothing to do.
_EVAL_SIZE = "set target_size in EvalReader and TestReader, and TestReader.inputs_def.image_shape"
IGNORED_KEYS = {
    "eval_height": _EVAL_SIZE, "eval_width": _EVAL_SIZE, "eval_size": _EVAL_SIZE,  # only anchors for other values
    "export_post_process": "set export.post_process",
    "amp_level": "set amp", "master_grad": "set amp", "init_loss_scaling": "set amp",
    "custom_black_list": "set amp", "custom_white_list": "set amp",
    "slim": "tools/post_quant.py quantizes an export",
    **dict.fromkeys(("print_flops", "print_params", "print_mem_info", "profiler_options"), "use tools/benchmark.py"),
    **dict.fromkeys(("use_vdl", "vdl_log_dir"), "use the options of tools/train.py, --use_vdl and --vdl_log_dir"),
    **dict.fromkeys(("use_wandb", "wandb"), "the run's metrics.jsonl holds its figures"),
    "find_unused_parameters": "", "fleet": "", "use_fused_allreduce_gradients": "",
}  # fmt: skip
# Switches that existing configs may turn off; turned on they are run keys (devices) or unknown.
SWITCHES = ("use_xpu", "use_mlu", "use_npu", "use_gcu", "use_cinn", "ema_filter_no_grad", "save_prediction_only")


def refuse_overrides(ignored: Mapping[str, str], overrides: Sequence[str]) -> None:
    """Raise UserError if one of the `overrides` (`a.b.c=value`) sets a key that has no effect.

    ignored: dotted key -> what to do instead, as `Builder.check` returns it.
    """
    given = [key for text in overrides for key in _dotted_keys(*parse_override(text))]
    for key, instead in ignored.items():
        if key not in SWITCHES and any(each == key or each.startswith(f"{key}.") for each in given):
            raise UserError(f"{key}: has no effect here; {instead or 'leave it out'}")


def _dotted_keys(keys: Sequence[str], value: Any) -> Iterator[str]:
    """The dotted key of a value and those of everything in it."""
    yield ".".join(keys)
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _dotted_keys([*keys, key], item)
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _dotted_keys([*keys, str(index)], item)

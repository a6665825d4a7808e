"""Keys of PaddleDetection's configs that are no options of classes, and the rule for `-o`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ppdet.core.errors import UserError
from ppdet.core.overrides import dotted_keys, parse_override

# Top-level keys that name a class; other top-level keys of a class's name hold its options.
SLOTS = ("TrainDataset", "EvalDataset", "TestDataset")
# Classes that the tools build by name. All others are parts of these, of a slot's class or of the architecture.
TOOL_CLASSES = (
    "TrainReader",
    "EvalReader",
    "TestReader",
    "LearningRate",
    "OptimizerBuilder",
    "Distillation",
    "QAT",
    "TeacherLabels",
)
_EVAL_SIZE = (
    "set EvalReader.sample_transforms.1.Resize.target_size, TestReader.sample_transforms.1.Resize.target_size and "
    "TestReader.inputs_def.image_shape"
)  # in files it is an anchor, which was replaced by its value when the file was read
_BENCHMARK = "use tools/benchmark.py"
_VISUALDL = "use the options of tools/train.py, --use_vdl and --vdl_log_dir"
_WANDB = "set log: [wandb]"
# Keys of `unstructured_prune`, which a training refuses.
PRUNING_KEYS = (
    "stable_epochs",
    "pruning_epochs",
    "tunning_epochs",
    "pruning_steps",
    "ratio",
    "initial_ratio",
    "prune_params_type",
    "skip_params_type",
)
# Keys of overlays for distillation, from which `slim.py` makes a section Distillation.
DISTILLATION_KEYS = (
    "slim_method",
    "distill_loss",
    "distill_loss_name",
    "CWDFeatureLoss",
    "FGDFeatureLoss",
    "MGDFeatureLoss",
    "PKDFeatureLoss",
)
# Sections that only a training reads.
TRAINING_SECTIONS = ("TrainReader", "LearningRate", "OptimizerBuilder", "Distillation", "QAT", "TeacherLabels")
# Top-level keys without effect here -> what to do instead; "" if there is nothing to do.
IGNORED_KEYS = {
    "eval_height": _EVAL_SIZE,
    "eval_width": _EVAL_SIZE,
    "eval_size": _EVAL_SIZE,
    "export_post_process": "set export.post_process",
    "amp_level": "set amp",
    "master_grad": "set amp",
    "init_loss_scaling": "set amp",
    "custom_black_list": "set amp",
    "custom_white_list": "set amp",
    "slim": "tools/post_quant.py quantizes an export",
    **dict.fromkeys(DISTILLATION_KEYS, "set Distillation"),
    "print_flops": _BENCHMARK,
    "print_params": _BENCHMARK,
    "print_mem_info": _BENCHMARK,
    "profiler_options": _BENCHMARK,
    "use_vdl": _VISUALDL,
    "vdl_log_dir": _VISUALDL,
    "use_wandb": _WANDB,
    "wandb": _WANDB,
    "find_unused_parameters": "",
    "fleet": "",
    "unstructured_prune": "",
    **dict.fromkeys(PRUNING_KEYS, "nothing is pruned"),
    "use_fused_allreduce_gradients": "",
    "ema_filter_no_grad": "what is frozen is never averaged",
}
# Switches that existing configs may turn off; turned on they are run keys (devices) or unknown.
SWITCHES = (
    "use_xpu",
    "use_mlu",
    "use_npu",
    "use_gcu",
    "use_cinn",
    "save_prediction_only",
    "unstructured_prune",
)


def refuse_overrides(ignored: Mapping[str, str], overrides: Sequence[str]) -> None:
    """Raise UserError if one of the `overrides` (`a.b.c=value`) sets a key that has no effect.

    Args:
        ignored: dotted keys without effect, with what to do instead, as `check_config` returns them.
        overrides: the values of `-o`.
    """
    given = [key for text in overrides for key in dotted_keys(*parse_override(text))]
    for key, instead in ignored.items():
        if key not in SWITCHES and any(each == key or each.startswith(f"{key}.") for each in given):
            raise UserError(f"{key}: has no effect here; {instead or 'leave it out'}")

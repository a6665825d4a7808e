"""The text of a new config, with a comment on each line."""

from __future__ import annotations

from dataclasses import dataclass

from ppdet.core.yaml_dump import dump_inline
from ppdet.data_new import rules
from ppdet.data_new.machine import Machine
from ppdet.data_new.models import Model
from ppdet.deploy.errors import printable

_LISTED = 20  # class names in a comment


@dataclass(frozen=True)
class Slot:
    """A dataset of the config.

    Attributes:
        name: the class of the dataset.
        options: its options.
        comment: what it holds.
    """

    name: str
    options: dict[str, object]
    comment: str

    def __str__(self) -> str:
        return f"!{self.name} {dump_inline(self.options)}{_comment(self.comment)}"


@dataclass(frozen=True)
class Plan:
    """All that the config is written from.

    Attributes:
        stem: the config's name without .yml.
        origin: the folder that it was made from, and its format.
        model: the model.
        input_reason: why the input has its size.
        weights: a file to start from, instead of the weights trained on COCO.
        classes: the names of the classes.
        slots: the datasets by the config's keys.
        num_images: images of the training split.
        machine: the machine to train on.
    """

    stem: str
    origin: str
    model: Model
    input_reason: str
    weights: str | None
    classes: list[str]
    slots: dict[str, Slot]
    num_images: int
    machine: Machine

    @property
    def batch_size(self) -> int:
        machine = self.machine
        return rules.batch_size(self.model.batch_size, machine.memory, machine.has_card, self.num_images)

    @property
    def steps(self) -> int:
        """Updates in an epoch; images that do not fill a batch wait for the next one."""
        return self.num_images // self.batch_size

    @property
    def epochs(self) -> int:
        return rules.epochs(self.steps)


def config_text(plan: Plan) -> str:
    """The config as YAML."""
    slots = [f"{key}: {slot}" for key, slot in plan.slots.items()]
    return "\n".join([*_model(plan), "", *slots, "", *_training(plan)]) + "\n"


def _model(plan: Plan) -> list[str]:
    bases = plan.model.bases
    given = "your file" if plan.weights else "trained on COCO, downloaded by the first run; a file is possible as well"
    names = ", ".join(plan.classes[:_LISTED]) + (", …" if len(plan.classes) > _LISTED else "")
    return [
        f"# Made by ppdet data new. {printable(plan.origin)}",
        "# Paths are relative to the folder that ppdet is started in.",
        f"_BASE_: {dump_inline(bases[0] if len(bases) == 1 else list(bases))}{_comment('all that is not set here')}",
        f"# The input: {printable(plan.input_reason)}",
        f"pretrain_weights: {dump_inline(plan.weights or plan.model.weights)}{_comment(given)}",
        f"weights: {dump_inline(f'output/{plan.stem}/best_model')}{_comment('what eval, infer and export take')}",
        f"num_classes: {len(plan.classes)}{_comment(names)}",
    ]


def _training(plan: Plan) -> list[str]:
    model, batch, epochs = plan.model, plan.batch_size, plan.epochs
    updates = plan.steps * epochs
    rate = rules.learning_rate(model.base_lr, model.reference_batch_size, batch)
    scaled = f"base_lr, {model.base_lr:g} for {model.reference_batch_size} images per update, becomes {rate:g}"
    return [
        f"epoch: {epochs}{_comment(f'{updates} updates; more if the AP still rises at the end')}",
        f"snapshot_epoch: {rules.snapshot_epochs(epochs)}{_comment('epochs from checkpoint to checkpoint')}",
        f"keep_last: 3{_comment('checkpoints, and the best one')}",
        f"worker_num: {rules.worker_num(plan.machine.cores)}{_comment('processes that read images')}",
        "TrainReader:",
        f"  batch_size: {batch}{_comment(f'for {plan.num_images} images and {plan.machine}')}",
        f"LearningRate:{_comment(f'{scaled} for {batch}')}",
        "  schedulers:",
        f"    - !CosineDecay {{max_epochs: {epochs}}}{_comment('the same as epoch')}",
        f"    - !LinearWarmup {{start_factor: 0.1, steps: {rules.warmup_steps(updates)}}}"
        f"{_comment('updates in which the rate rises')}",
        "PicoHeadV2:",
        f"  static_assigner_epoch: {rules.static_assigner_epochs(epochs)}{_comment('epochs of the simpler assigner')}",
    ]


def _comment(text: str) -> str:
    return f" # {printable(text)}"

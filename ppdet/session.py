"""The beginning of every run: read the config, check it, choose the device, and build the parts that are needed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from paddle.utils import unique_name

from ppdet.catalog import load_classes
from ppdet.core.builder import Builder
from ppdet.core.check import check_config, without_training
from ppdet.core.compat import refuse_overrides
from ppdet.core.config import Config, Place, load_with_places
from ppdet.core.errors import UserError
from ppdet.core.settings import Settings
from ppdet.core.slim import refuse_pruning
from ppdet.data.datasets import (
    AnnotatedDataset,
    Category,
    Dataset,
    GroundTruth,
    ImageFolder,
    Reclass,
    check_num_classes,
    default_categories,
)
from ppdet.data.structures import Record
from ppdet.modeling import PicoDet, build_model
from ppdet.runtime.device import select_device
from ppdet.utils.download import resolve_weights
from ppdet.weights.class_names import some
from ppdet.weights.load import load_weights
from ppdet.weights.trained_classes import TrainedClasses, published_classes, stored_classes

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Session:
    """A checked config and the device it runs on."""

    cfg: Config
    settings: Settings
    builder: Builder
    device: str
    rate_places: tuple[str, str] | None = None  # see `LearningRate.for_run`

    @property
    def output_dir(self) -> Path:
        """<save_dir>/<filename>, where the run's files go."""
        return Path(self.settings.save_dir) / self.settings.filename

    def build_model(self) -> PicoDet:
        """The detector with fresh weights. Its parameters have the same names in every process and every call."""
        with unique_name.guard():
            return build_model(self.builder)

    def load_model(self) -> PicoDet:
        """The detector with the config's `weights`, in evaluation mode."""
        if not self.settings.weights:
            raise UserError("weights: required, not given; add -o weights=<file, name or URL>")
        model = self.build_model()
        load_weights(model, resolve_weights(self.settings.weights))
        model.eval()
        return model

    def build_dataset(self, slot: str) -> Dataset:
        """The dataset of a config slot ("TrainDataset", "EvalDataset", "TestDataset"), not read yet."""
        if slot not in self.cfg:
            raise UserError(f"{slot}: required, not given")
        dataset = self.builder.build(self.cfg[slot], key=slot)
        if not isinstance(dataset, Dataset):
            raise UserError(f"{slot}: expected a dataset, found the class {type(dataset).__name__}")
        return dataset

    def load_dataset(
        self,
        slot: str,
        trained: TrainedClasses | None = None,
        without_boxes: bool = False,
        relabel: Callable[[Path], Reclass] | None = None,
    ) -> Dataset:
        """The dataset of a config slot, read and checked against num_classes and the classes that were trained.

        With `remap_classes` it gets the classes that were trained, and objects of other classes are left out.
        """
        dataset, by_name = self.build_dataset(slot), self.settings.remap_classes
        if without_boxes and isinstance(dataset, AnnotatedDataset):
            dataset.allow_empty, dataset.empty_ratio = True, 1.0
        if trained:
            dataset.expected_classes = () if by_name else trained.names
            dataset.reclass = trained.reclass(slot, by_name)
        if relabel:
            dataset.reclass = self._then_relabel(dataset.reclass, relabel(dataset.root))
        dataset.load()
        check_num_classes(dataset, self.settings.num_classes)
        return dataset

    def _then_relabel(self, reclass: Reclass | None, relabel: Reclass) -> Reclass:
        """One after the other; without the second for a number of classes that `load_dataset` is about to refuse."""

        def both(
            categories: list[Category], records: list[Record], truth: GroundTruth | None
        ) -> tuple[list[Category], list[Record], GroundTruth | None]:
            if reclass:
                categories, records, truth = reclass(categories, records, truth)
            fits = len(categories) == self.settings.num_classes
            return relabel(categories, records, truth) if fits else (categories, records, truth)

        return both

    def load_annotated(
        self,
        slot: str,
        trained: TrainedClasses | None = None,
        without_boxes: bool = False,
        relabel: Callable[[Path], Reclass] | None = None,
    ) -> Dataset:
        """Load a dataset of a format with boxes as `load_dataset` does.

        without_boxes: also the images without boxes, whatever `allow_empty` says.
        relabel: makes the function that changes the boxes of all images, from the folder of the data set.
        """
        if not isinstance(dataset := self.build_dataset(slot), AnnotatedDataset):
            raise UserError(f"{slot}: {type(dataset).__name__} has no boxes; give an AutoDataset")
        return self.load_dataset(slot, trained, without_boxes, relabel)

    def trained_classes(self) -> TrainedClasses | None:
        """The classes that the config's `weights` were trained on; None if they are not known.

        Weights that a training wrote hold them. For other weights they are TrainDataset's, if it can be read quickly.

        Raises:
            UserError: `remap_classes` needs them, and they are not known or not as many as the model has.
        """
        weights, expected = self.settings.weights or "", self.settings.num_classes
        file = resolve_weights(weights) if "://" in weights else weights
        found = stored_classes(file) or published_classes(weights)
        if found is None and (found := self._training_set_classes()) and len(found.categories) != expected:
            found = None  # those of another model
        if self.settings.remap_classes and found is None:
            raise UserError(
                f"--remap_classes: {weights or 'the weights'}: no class names in it, nor in TrainDataset; give weights "
                "that a training wrote, or list the classes of the datasets in the order of the training"
            )
        if self.settings.remap_classes and found and len(found.categories) != expected:
            count = len(found.categories)
            raise UserError(
                f"num_classes: found {expected}; expected {count} with --remap_classes, the classes of {found.source} "
                f"({some(found.names)}); set num_classes: {count}"
            )
        return found

    def _training_set_classes(self) -> TrainedClasses | None:
        if "TrainDataset" not in self.cfg:
            return None
        try:
            categories = self.build_dataset("TrainDataset").peek_categories()
        except UserError as error:
            logger.debug("TrainDataset: its classes cannot be compared (%s)", error)
            return None
        return TrainedClasses(categories, "TrainDataset") if categories else None


def class_categories(session: Session) -> list[Category]:
    """The classes with the names of TestDataset, else of the training, else of EvalDataset, else COCO's or numbers.

    Raises:
        UserError: TestDataset lists other classes than the training, or no file that it names or the weights hold any.
    """
    dataset, trained = test_dataset(session).with_images(["-"]).load(), session.trained_classes()
    if trained and not dataset.categories:
        if dataset.anno_path:
            logger.info("%s: there is no such file; the class names are those of %s", dataset.anno_file, trained.source)
        return list(trained.categories)
    if not dataset.categories:
        return _untrained_categories(session, dataset)
    if trained is None:
        check_num_classes(dataset, session.settings.num_classes)
        return dataset.categories
    same_names = [category.name for category in dataset.categories] == trained.names
    if matched := trained.match("TestDataset", dataset.categories, session.settings.remap_classes):
        return matched.categories if dataset.has_ids else list(trained.categories)
    check_num_classes(dataset, session.settings.num_classes)
    return list(trained.categories) if same_names and not dataset.has_ids else dataset.categories


def _untrained_categories(session: Session, listed: Dataset) -> list[Category]:
    """The classes of weights that nothing names: EvalDataset's, else COCO's or numbers."""
    if "EvalDataset" in session.cfg:
        try:
            dataset = session.build_dataset("EvalDataset").load()
        except UserError as error:
            logger.info("class names: none in TestDataset, and EvalDataset cannot be read (%s)", error)
        else:
            check_num_classes(dataset, session.settings.num_classes)
            if dataset.categories:
                return dataset.categories
    found = default_categories(session.settings.num_classes)
    if listed.anno_path and found != default_categories(80):
        raise UserError(
            f"TestDataset.anno_path: there is no file {listed.anno_file}, and neither the weights nor TrainDataset and "
            "EvalDataset name the classes; correct it, or leave it out to number them"
        )
    return found


def test_dataset(session: Session) -> ImageFolder:
    """The TestDataset, not read yet."""
    dataset = session.build_dataset("TestDataset")
    if not isinstance(dataset, ImageFolder):
        raise UserError(f"TestDataset: found {type(dataset).__name__}; expected ImageFolder")
    return dataset


def open_session(config: str | Path, overrides: Sequence[str] = (), training: bool = True) -> Session:
    """Read and check a config, and make the device that it asks for Paddle's default.

    Args:
        config: a file, or the name of a config that ppdet has.
        overrides: `a.b.c=value`, as `-o` takes them.
        training: whether the session is for a training; if not, mistakes in sections for it are warnings.
    """
    cfg, places = load_with_places(config, overrides)
    load_classes()
    builder = Builder(cfg) if training else without_training(Builder(cfg), overrides)
    if training:
        refuse_pruning(cfg.get("unstructured_prune"))
    ignored = check_config(builder)
    refuse_overrides(ignored, overrides)
    if ignored:
        logger.debug("config: no effect here: %s", ", ".join(ignored))
    settings = Settings.from_config(cfg)
    _check_model(cfg, settings)
    return Session(builder.cfg, settings, builder, select_device(settings), _rate_places(places))


def _rate_places(places: Mapping[str, Place]) -> tuple[str, str] | None:
    """The places that set base_lr and reference_batch_size, if a later file or `-o` sets base_lr alone; else None."""
    rate, reference = (places.get(f"LearningRate.{name}") for name in ("base_lr", "reference_batch_size"))
    return (str(rate), str(reference)) if rate and reference and rate.layer > reference.layer else None


def _check_model(cfg: Config, settings: Settings) -> None:
    """Raise UserError if `architecture` and its section do not describe a detector."""
    if settings.architecture != PicoDet.__name__:
        raise UserError(f"architecture: found {settings.architecture!r}; expected {PicoDet.__name__}")
    section = cfg.get(PicoDet.__name__) or {}
    for part in ("backbone", "neck", "head"):
        if part not in section:
            raise UserError(f"{PicoDet.__name__}.{part}: required, not given")

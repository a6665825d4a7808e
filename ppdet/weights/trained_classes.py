"""The classes that a detector was trained on.

A detector knows classes by their positions only, so datasets must list the same classes in the same order, or be
matched by name. Weights files that a training writes hold the list.
"""

from __future__ import annotations

import itertools
import logging
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppdet.core.errors import UserError
from ppdet.data.datasets import Category, ClassMap, GroundTruth, Reclass, default_categories
from ppdet.data.structures import Record
from ppdet.utils.download import PUBLISHED_WEIGHTS
from ppdet.utils.files import checksum, with_suffix
from ppdet.utils.ids import as_number
from ppdet.utils.weight_files import read_arrays
from ppdet.weights.class_names import describe_difference, describe_pairs, left_over, match_names, some

logger = logging.getLogger(__name__)

_KEY = "ppdet.classes"  # in a .pdparams file, beside its tensors


def classes_entry(categories: Sequence[Category]) -> dict[str, Any]:
    """The entry of a weights file that holds the classes; none if there are no classes."""
    return {_KEY: [[category.id, category.name] for category in categories]} if categories else {}


@dataclass(frozen=True)
class TrainedClasses:
    """The classes of a training, in their order.

    Attributes:
        categories: the classes.
        source: where they are known from, for messages.
        renamed: whether a dataset may use other names for them, as for the classes of published weights.
    """

    categories: Sequence[Category]
    source: str
    renamed: bool = False

    @property
    def names(self) -> list[str]:
        return _names(self.categories)

    def check(self, where: str, found: Sequence[Category]) -> None:
        """Compare these classes with those of a dataset.

        Args:
            where: the dataset's name in the config, for the message.
            found: the dataset's classes.

        Raises:
            UserError: the dataset lists other classes, or in another order.
        """
        names = _names(found)
        other_names = len(names) == len(self.names) and sorted(names) != sorted(self.names)
        if names != self.names and not (self.renamed and other_names):
            raise UserError(f"{where}: {describe_difference(names, self.names, self.source)}")

    def match(self, where: str, found: Sequence[Category], by_name: bool) -> ClassMap | None:
        """Compare these classes with those of a dataset, and find the classes of the same name.

        Args:
            where: the dataset's name in the config, for messages.
            found: the dataset's classes.
            by_name: False: the two lists have to be equal, see `check`.

        Returns:
            The dataset's classes in this list; None: they stay as they are.

        Raises:
            UserError: the lists differ, with `by_name` in all names.
        """
        if not by_name:
            self.check(where, found)
        names = _names(found)
        if not by_name or names == self.names:
            return None
        positions = match_names(names, self.names)
        if not any(position is not None for position in positions):
            raise UserError(f"{where}: --remap_classes: {describe_difference(names, self.names, self.source)}")
        added, lacking = (some(each) or "none" for each in left_over(names, self.names, positions))
        message = "%s: classes matched by name with %s: %s; left out of the data set: %s; not in it: %s"
        logger.info(message, where, self.source, describe_pairs(names, self.names, positions), added, lacking)
        return ClassMap(self._with_ids(found, positions), positions)

    def reclass(self, where: str, by_name: bool) -> Reclass:
        """Returns `Dataset.reclass` that does what `match` finds; the arguments are those of `match`."""

        def adapt(
            categories: list[Category], records: list[Record], truth: GroundTruth | None
        ) -> tuple[list[Category], list[Record], GroundTruth | None]:
            found = self.match(where, categories, by_name)
            if found is None:
                return categories, records, truth
            return found.categories, found.records(records), found.truth(truth)

        return adapt

    def _with_ids(self, found: Sequence[Category], positions: Sequence[int | None]) -> list[Category]:
        """These classes with the ids of the dataset; those that it lacks get ids that it does not use."""
        numbers = [number for category in found if not isinstance(number := as_number(category.id), str)]
        free = itertools.count(int(max(numbers, default=0)) + 1)
        ids = {position: category.id for position, category in zip(positions, found, strict=True)}
        return [
            Category(ids[position] if position in ids else next(free), category.name)
            for position, category in enumerate(self.categories)
        ]


def _names(categories: Sequence[Category]) -> list[str]:
    return [unicodedata.normalize("NFC", category.name) for category in categories]


def stored_classes(weights: str | Path) -> TrainedClasses | None:
    """Returns the classes that a weights file holds, or the checkpoint that it belongs to; None if there are none.

    The file can be named with or without its extension.
    """
    candidates = (Path(weights).expanduser(), Path(f"{weights}.pdparams").expanduser())
    file = next((path for path in candidates if path.is_file()), None)
    if file is None:
        return None
    try:
        content = read_arrays(file)
        listed = content[_KEY] if _KEY in content else _classes_beside(file)
        if listed is None:
            return None
        return TrainedClasses([Category(number, name) for number, name in listed], f"the training of {file}")
    except (UserError, KeyError, TypeError, ValueError) as error:
        logger.debug("%s: says nothing about classes (%s)", file, error)
        return None


def _classes_beside(weights: Path) -> Any:
    """The classes in the `.pdstate` of a checkpoint, where earlier versions wrote them; None if there are none."""
    state_file = with_suffix(weights.with_suffix("") if weights.suffix == ".pdparams" else weights, ".pdstate")
    if not state_file.is_file():
        return None
    state: Mapping[str, Any] = read_arrays(state_file)
    if "classes" not in state or state["checksums"][".pdparams"] != checksum(weights):
        return None  # written by an even earlier version, or together with other weights
    return state["classes"]


def published_classes(weights: str) -> TrainedClasses | None:
    """Returns COCO's classes for published weights, which are recognized by file name; None for other weights."""
    name = weights.removesuffix(".pdparams").rpartition("/")[2]
    if name not in PUBLISHED_WEIGHTS:
        return None
    return TrainedClasses(default_categories(80), f"COCO, which {name} was trained on", renamed=True)


def starting_classes(
    weights: str, file: Path, categories: Sequence[Category], by_name: bool
) -> list[int | None] | None:
    """Compare the classes of a training with those of the weights that it starts from.

    Logs a warning if they are the same classes in another order, unless `by_name`.

    Args:
        weights: path, URL or name of the weights.
        file: the weights.
        categories: the classes of the training.
        by_name: start each class from that of the same name.

    Returns:
        The class of the weights that each class starts from, None for a new one; None: as the positions say.
    """
    trained = stored_classes(file) or published_classes(weights)
    names = _names(categories)
    if trained is None or names == trained.names:
        if trained is None and by_name:
            logger.warning("pretrain_weights: --remap_classes: %s names no classes; none is matched", weights)
        return None
    if by_name:
        positions = match_names(names, trained.names)
        added, _ = left_over(names, trained.names, positions)
        message = "pretrain_weights: classes start from those of the same name in %s: %s; untrained: %s"
        pairs = describe_pairs(names, trained.names, positions) or "none"
        logger.info(message, trained.source, pairs, some(added) or "none")
        return positions
    if sorted(names) == sorted(trained.names):
        difference = describe_difference(names, trained.names, trained.source)
        logger.warning("pretrain_weights: classes start as other ones (TrainDataset: %s)", difference)
    return None

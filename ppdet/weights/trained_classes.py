"""The classes that a detector was trained on.

A detector knows classes by their positions only, so datasets must list the same classes in the same order.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.data.datasets import Category, default_categories
from ppdet.utils.download import PUBLISHED_WEIGHTS
from ppdet.utils.files import checksum, with_suffix
from ppdet.utils.weight_files import read_arrays

logger = logging.getLogger(__name__)

_LISTED = 20  # number of names that a message lists before it counts the rest


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
        same = sorted(names) == sorted(self.names)
        differ = [i for i, (ours, theirs) in enumerate(zip(self.names, names, strict=False)) if ours != theirs]
        if not differ or (self.renamed and not same):
            return
        index = differ[0]
        remedy = "list the same classes in the same order"
        if same:
            more = len(names) - _LISTED
            order = ", ".join(self.names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
            remedy = f"put its categories (JSON) or lines (label list) in the order {order}"
        difference = f"class {index} is {names[index]!r} there but {self.names[index]!r} in {self.source}"
        raise UserError(f"{where}: {difference}; {remedy}")


def _names(categories: Sequence[Category]) -> list[str]:
    return [unicodedata.normalize("NFC", category.name) for category in categories]


def stored_classes(weights: str | Path) -> TrainedClasses | None:
    """Returns the classes in the checkpoint that a weights file belongs to, or None if it belongs to none.

    The file can be named with or without its extension.
    """
    candidates = (Path(weights).expanduser(), Path(f"{weights}.pdparams").expanduser())
    file = next((path for path in candidates if path.is_file()), None)
    if file is None:
        return None
    stem = file.with_suffix("") if file.suffix == ".pdparams" else file
    if not with_suffix(stem, ".pdstate").is_file():
        return None
    try:
        state = read_arrays(with_suffix(stem, ".pdstate"))
        if "classes" not in state or state["checksums"][".pdparams"] != checksum(file):
            return None  # written by an earlier version, or together with other weights
        return TrainedClasses([Category(number, name) for number, name in state["classes"]], f"the training of {file}")
    except (UserError, KeyError, TypeError, ValueError) as error:
        logger.debug("%s.pdstate: says nothing about classes (%s)", stem, error)
        return None


def published_classes(weights: str) -> TrainedClasses | None:
    """Returns COCO's classes for published weights, which are recognized by file name; None for other weights."""
    name = weights.removesuffix(".pdparams").rpartition("/")[2]
    if name not in PUBLISHED_WEIGHTS:
        return None
    return TrainedClasses(default_categories(80), f"COCO, which {name} was trained on", renamed=True)


def warn_of_order(weights: str, categories: Sequence[Category]) -> None:
    """Log a warning if training starts from weights of the same classes in another order."""
    trained = stored_classes(weights) or published_classes(weights)
    try:
        if trained:
            replace(trained, renamed=True).check("TrainDataset", categories)
    except UserError as error:
        logger.warning("pretrain_weights: classes start as other ones (%s)", error)

"""Images of a reader as the inputs of an exported model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ppdet.core.errors import UserError
from ppdet.data import Batch
from ppdet.deploy.backends.base import Feed
from ppdet.export.image_input import ImageInput
from ppdet.session import Session


@dataclass(frozen=True)
class FeedBuilder:
    """Builds the inputs of an exported model from a reader's batches.

    Attributes:
        batch_size: number of images that the model takes at a time.
        names: names of the model's inputs.
        image: how the model takes images.
    """

    batch_size: int
    names: Sequence[str]
    image: ImageInput

    @classmethod
    def of(cls, session: Session, model: Any) -> FeedBuilder:
        """Returns the builder for an onnx.ModelProto that was exported with the run's settings."""
        names = [value.name for value in model.graph.input]
        return cls(max(1, session.settings.export.batch_size), names, ImageInput.of(session))

    def feeds(self, batches: Iterable[Batch]) -> Iterator[tuple[Feed, list[int], np.ndarray]]:
        """Yield (feed, im_ids of its images, their scale_factor [n, 2]); a short last feed repeats its last image.

        Raises:
            UserError: images have another size than the model takes.
        """
        for batch in batches:
            image, scale_factor, im_ids = batch.image.numpy(), batch.scale_factor.numpy(), batch.im_id.tolist()
            self._check_size(image.shape[2:])
            image = self.image.from_reader(image)
            for start in range(0, len(im_ids), self.batch_size):
                rows = np.minimum(np.arange(start, start + self.batch_size), len(im_ids) - 1)
                feed = {"image": image[rows], "scale_factor": scale_factor[rows]}
                kept = slice(start, start + self.batch_size)
                yield {name: feed[name] for name in self.names}, im_ids[kept], scale_factor[kept]

    def _check_size(self, size: tuple[int, ...]) -> None:
        if size != self.image.size:
            found, expected = (" x ".join(map(str, each)) for each in (size, self.image.size))
            raise UserError(
                f"EvalReader: gives images of {found} pixels, but the exported model takes {expected}; "
                "set EvalReader's and TestReader's Resize to the same target_size"
            )

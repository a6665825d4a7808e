"""Writes the first training batches of a config as pictures, as its training does."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from pathlib import Path

from ppdet.data.loading.batch_sheet import SHEETS, batch_sheets
from ppdet.session import open_session


def write_batches(config: Path, folder: Path) -> list[str]:
    """Writes the pictures into `folder`; returns their names, fewer than SHEETS if an epoch has fewer batches.

    With the config's `seed` they are those of its training on one device. A cache would be filled first, so none is
    used; cached images are shrunk, which changes pixels a little.
    """
    session = open_session(config, ["device=cpu"])
    dataset = session.load_annotated("TrainDataset")
    reader = session.builder.build("TrainReader", worker_num=0, cache=None, cache_dir=None)
    loader = reader.bind(dataset, seed=session.settings.seed or 0)
    with closing(loader.epoch(0, watch=batch_sheets(folder, reader, dataset))) as batches:
        seen = sum(1 for _ in islice(batches, len(SHEETS)))
    return list(SHEETS[:seen])

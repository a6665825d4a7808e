"""Datasets, transforms and readers. The package itself imports no Paddle: `data/datasets` works without it."""

from ppdet.data.structures import Batch, Record, Sample

__all__ = ["Batch", "Record", "Sample"]

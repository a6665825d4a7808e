"""Datasets, transforms and readers. Importing the package registers every class that a config can name."""

from . import batch, datasets, reader, transforms
from .sample import Batch, Record, Sample

__all__ = ["Batch", "Record", "Sample", "batch", "datasets", "reader", "transforms"]

"""Datasets, transforms and readers. Importing the package registers every class that a config can name."""

from ppdet.data import datasets
from ppdet.data.loading import reader
from ppdet.data.structures import Batch, Record, Sample
from ppdet.data.transforms import batch_transforms, random_crop, sample_transforms

__all__ = ["Batch", "Record", "Sample", "batch_transforms", "datasets", "random_crop", "reader", "sample_transforms"]

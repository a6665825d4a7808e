"""Datasets: COCO JSON, Pascal VOC XML, and plain folders of images."""

from ppdet.data.datasets.base import AnnotatedDataset, Category, Dataset, check_num_classes, default_categories
from ppdet.data.datasets.coco import COCODataSet
from ppdet.data.datasets.folder import ImageFolder
from ppdet.data.datasets.voc import VOCDataSet

__all__ = [
    "AnnotatedDataset",
    "COCODataSet",
    "Category",
    "Dataset",
    "ImageFolder",
    "VOCDataSet",
    "check_num_classes",
    "default_categories",
]

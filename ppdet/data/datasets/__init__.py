"""Datasets: COCO JSON, Pascal VOC XML, and plain folders of images."""

from .base import AnnotatedDataset, Category, Dataset, check_num_classes, default_categories
from .coco import COCODataSet
from .folder import IMAGE_SUFFIXES, ImageFolder, list_images
from .voc import VOCDataSet

__all__ = [
    "IMAGE_SUFFIXES",
    "AnnotatedDataset",
    "COCODataSet",
    "Category",
    "Dataset",
    "ImageFolder",
    "VOCDataSet",
    "check_num_classes",
    "default_categories",
    "list_images",
]

"""Datasets: one class for each format of annotations, AutoDataset, and plain folders of images."""

from ppdet.data.datasets.auto import AutoDataset
from ppdet.data.datasets.base import AnnotatedDataset, Category, Dataset, check_num_classes, default_categories
from ppdet.data.datasets.coco import COCODataSet
from ppdet.data.datasets.folder import ImageFolder
from ppdet.data.datasets.voc import VOCDataSet
from ppdet.data.datasets.yolo import YOLODataSet

__all__ = [
    "AnnotatedDataset",
    "AutoDataset",
    "COCODataSet",
    "Category",
    "Dataset",
    "ImageFolder",
    "VOCDataSet",
    "YOLODataSet",
    "check_num_classes",
    "default_categories",
]

"""Datasets: one class for each format of annotations, AutoDataset, and plain folders of images."""

from ppdet.data.datasets.auto import AutoDataset
from ppdet.data.datasets.base import (
    AnnotatedDataset,
    Category,
    Dataset,
    GroundTruth,
    Reclass,
    check_num_classes,
    default_categories,
)
from ppdet.data.datasets.class_map import ClassMap
from ppdet.data.datasets.coco import COCODataSet
from ppdet.data.datasets.csv_boxes import CSVDataSet
from ppdet.data.datasets.cvat import CVATDataSet
from ppdet.data.datasets.folder import ImageFolder
from ppdet.data.datasets.label_studio import LabelStudioDataSet
from ppdet.data.datasets.labelme import LabelMeDataSet
from ppdet.data.datasets.open_images import OpenImagesDataSet
from ppdet.data.datasets.voc import VOCDataSet
from ppdet.data.datasets.yolo import YOLODataSet

__all__ = [
    "AnnotatedDataset",
    "AutoDataset",
    "COCODataSet",
    "CSVDataSet",
    "CVATDataSet",
    "Category",
    "ClassMap",
    "Dataset",
    "GroundTruth",
    "ImageFolder",
    "LabelMeDataSet",
    "LabelStudioDataSet",
    "OpenImagesDataSet",
    "Reclass",
    "VOCDataSet",
    "YOLODataSet",
    "check_num_classes",
    "default_categories",
]

"""`TeacherLabels:`, detections of an exported model as labels of the training images."""

from ppdet.teacher_labels.teacher import TeacherLabels

__all__ = ["TeacherLabels"]

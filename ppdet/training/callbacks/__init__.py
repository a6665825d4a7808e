"""Listeners of a training run: its log lines, loggers of other programs, tables and plots."""

from ppdet.training.callbacks.base import Callback, Numbers, Run, begin_all, end_all, tell_detections
from ppdet.training.callbacks.json_lines import JsonLines
from ppdet.training.callbacks.loggers import build_loggers
from ppdet.training.callbacks.results import ResultsPlot, ResultsTable
from ppdet.training.callbacks.tolerant import Tolerant
from ppdet.training.callbacks.visualdl import VisualDL

__all__ = [
    "Callback",
    "JsonLines",
    "Numbers",
    "ResultsPlot",
    "ResultsTable",
    "Run",
    "Tolerant",
    "VisualDL",
    "begin_all",
    "build_loggers",
    "end_all",
    "tell_detections",
]

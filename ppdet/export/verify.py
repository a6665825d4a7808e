"""Checks written files against the trained model on a few images."""

from __future__ import annotations

import copy
import logging
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import paddle

from ppdet.core.errors import UserError
from ppdet.core.settings import ExportSettings
from ppdet.export.check_inputs import SampleBatch
from ppdet.export.compare import Candidates, Comparison, compare, compare_detections
from ppdet.export.formats import EXPORT_FORMATS
from ppdet.export.graph import ExportModel, rounded
from ppdet.export.image_input import ImageInput
from ppdet.export.nms_rules import NmsRules
from ppdet.export.onnx_format import count_operators
from ppdet.modeling import PicoDet
from ppdet.modeling.heads import PicoHeadE2E
from ppdet.modeling.heads.pico_head_e2e import PeakFilter
from ppdet.modeling.peaks import possible_peaks
from ppdet.utils.tables import format_table

logger = logging.getLogger(__name__)

# Lower and upper bound of the tolerance, for weights stored in single and in half precision.
_SINGLE, _HALF = (1e-4, 5e-3), (1e-3, 5e-2)
# Factor between the change that rounding each weight once causes and the tolerance: layers round as well, and runtimes
# add up numbers in another order.
_MARGIN = 8

Bounds = tuple[list[np.ndarray], list[np.ndarray]]


class Reference(NamedTuple):
    """Inputs for a written model, and the outputs expected of it.

    Attributes:
        inputs: arrays in the order of the model's inputs.
        expected: outputs of the trained model for the same images, before NMS.
        bounds: for each format, the least and the most that rounding may leave of `expected`; they differ where a
            filter of peaks decides between neighbors that are nearly equal.
        rules: limits of the NMS at the model's end; None: it has no NMS.
        tolerance: for each format, the largest difference of scores and of relative boxes that rounding may cause.
        source: what the images are.
    """

    inputs: list[np.ndarray]
    expected: list[np.ndarray]
    bounds: dict[str, Bounds]
    rules: NmsRules | None
    tolerance: dict[str, float]
    source: str

    @classmethod
    def of(cls, trained: PicoDet, settings: ExportSettings, image_input: ImageInput, sample: SampleBatch) -> Reference:
        """Run the trained model on the sample, as it is and with rounded weights."""
        fed = image_input.from_reader(sample.image)
        graph = ExportModel(trained, settings).with_settings(nms=False)
        others = [sample.scale_factor] if graph.takes_scale_factor else []
        inputs = [image_input.to_network(fed), *others]
        expected = _outputs(graph, inputs)
        half = {name: (settings.fp16 or EXPORT_FORMATS[name].half) and name != "paddle" for name in settings.formats}
        unfiltered = _with_peaks(graph, list)
        exact = expected if unfiltered is graph else _outputs(unfiltered, inputs)
        tolerance = {name: _tolerance(unfiltered, inputs, exact, half[name]) for name in settings.formats}
        bounds = {name: _bounds(graph, inputs, expected, limit) for name, limit in tolerance.items()}
        rules = NmsRules.of(trained.head.nms.attrs) if settings.runs_nms else None
        return cls([fed, *others], expected, bounds, rules, tolerance, sample.source)

    def compare(self, format: str, found: list[np.ndarray]) -> Comparison:
        """The differences of a written model's outputs `found` to what is expected."""
        if self.rules is None:
            return compare(_nearest(found, *self.bounds[format]), found)
        # ONNX's NonMaxSuppression considers all candidates of a class (see append_nms)
        rules = self.rules if format == "paddle" else self.rules._replace(per_class=None)
        boxes, scores = self.expected
        return compare_detections(Candidates(boxes, scores, rules), found, self.tolerance[format])


def _with_peaks(graph: ExportModel, peaks: PeakFilter) -> ExportModel:
    """A copy with another filter of peaks; the graph itself if its head has none."""
    if not isinstance(graph.model.head, PicoHeadE2E):
        return graph
    model = copy.deepcopy(graph.model)
    model.head.peaks = peaks
    return ExportModel(model, graph.settings, graph.pixel_mean)


def _bounds(graph: ExportModel, inputs: list[np.ndarray], expected: list[np.ndarray], tolerance: float) -> Bounds:
    """The `Reference.bounds` of a format; a score and its neighbor may both be off by `tolerance`."""
    if not isinstance(graph.model.head, PicoHeadE2E):
        return expected, expected
    least, most = (partial(possible_peaks, change=sign * 2 * tolerance) for sign in (-1, 1))
    return _outputs(_with_peaks(graph, least), inputs), _outputs(_with_peaks(graph, most), inputs)


def _nearest(found: list[np.ndarray], least: list[np.ndarray], most: list[np.ndarray]) -> list[np.ndarray]:
    """The arrays between `least` and `most` that are nearest to those found; `least` if the shapes differ."""
    if [array.shape for array in found] != [array.shape for array in least]:
        return least
    return [np.clip(*arrays) for arrays in zip(found, least, most, strict=True)]


def _tolerance(graph: ExportModel, inputs: list[np.ndarray], expected: list[np.ndarray], half: bool) -> float:
    """The largest difference that rounding may cause, measured by rounding each weight once."""
    result = compare(expected, _outputs(rounded(graph, 2**-13 if half else 2**-22), inputs))
    least, most = _HALF if half else _SINGLE
    return min(most, max(least, _MARGIN * max(result.score, result.box)))


def _outputs(graph: ExportModel, inputs: list[np.ndarray]) -> list[np.ndarray]:
    with paddle.no_grad():
        return [output.numpy() for output in graph(*map(paddle.to_tensor, inputs))]


class _Row(NamedTuple):
    """A line of the table that is logged."""

    format: str
    size_mb: str
    score_difference: str
    box_difference: str  # relative to the image
    unmatched: str  # detections


def verify(folder: Path, written: Path, settings: ExportSettings, reference: Reference) -> None:
    """Log how far the files in the folder `written` are from the trained model.

    Raises:
        UserError: a format differs by more than its tolerance. The message names `folder`, where the files belong.
    """
    rows, failed = [], {}
    for name in settings.formats:
        result = reference.compare(name, EXPORT_FORMATS[name].run(written, reference.inputs))
        size = sum(path.stat().st_size for path in EXPORT_FORMATS[name].files(written)) / 1e6
        rows.append(_Row(name, f"{size:.2f}", f"{result.score:.1e}", f"{result.box:.1e}", str(result.unmatched)))
        if not result.within(reference.tolerance[name]):
            failed[name] = EXPORT_FORMATS[name].blame(written, reference.inputs, settings, reference.tolerance[name])
    logger.info("checked against the trained model on %d %s", len(reference.inputs[0]), reference.source)
    for line in format_table(rows).splitlines():  # a message is one line
        logger.info("%s", line)
    if (written / "model.onnx").is_file():
        operators = count_operators(written / "model.onnx")
        logger.info("operators of model.onnx: %s", ", ".join(f"{count} {name}" for name, count in operators.items()))
    if failed:
        allowed = " and ".join(f"{reference.tolerance[name]:.1e}" for name in failed)
        raise UserError(
            f"{folder}: not written, since {' and '.join(failed)} differ from the trained model by more than rounding "
            f"({allowed}; see the table){''.join(failed.values())}; report this with the config"
        )

"""Detections of the networks in vendors' files, which end before boxes are decoded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ppdet.core.errors import UserError
from ppdet.core.settings import ExportSettings
from ppdet.deploy.backends.base import Backend, Feed, Runner, keep_outputs
from ppdet.deploy.backends.runtimes import OnnxRuntime
from ppdet.deploy.model_config import parse_config
from ppdet.deploy.postprocess import detections
from ppdet.evaluation.evaluator import Evaluator
from ppdet.evaluation.exported import Key, detect_with
from ppdet.evaluation.feeds import FeedBuilder
from ppdet.export.image_input import ImageInput
from ppdet.export.vendor_format import in_layout_of, one_by_one
from ppdet.metrics.results import ImageDetections
from ppdet.quantization.vendor_source import Source
from ppdet.runtime.cpu_tuning import cpu_threads


def detect_with_networks(
    evaluator: Evaluator, source: Source, models: dict[Key, Backend]
) -> dict[Key, list[ImageDetections]]:
    """Returns the detections of loaded vendors' files, by their names in `models`.

    Args:
        evaluator: the images.
        source: what the files were made of.
        models: the loaded files.

    Raises:
        UserError: a file has other outputs than the network.
    """
    head, image = source.session.build_model().head, ImageInput.of(source.session)
    config, nms = parse_config(source.config, "infer_cfg"), head.nms.attrs
    config = replace(config, iou_threshold=nms.get("nms_threshold", config.iou_threshold))  # infer_cfg's is stricter
    expected = OnnxRuntime(source.network.model.SerializeToString(), cpu_threads()).run(source.feeds[0])

    def detecting(name: Key, model: Backend) -> Runner:
        """Returns a Runner that gives detections in pixels of the original image."""
        run, (port,) = keep_outputs(model.run), model.inputs

        def detect(feed: Feed) -> list[np.ndarray]:
            outputs = run({port.name: feed["image"]})
            flat = [in_layout_of(like, each) for like, each in zip(expected, outputs, strict=True)]
            found = [each for each in flat if each is not None]
            if len(found) < len(flat):
                raise UserError(f"{name}: its outputs have other sizes than the network's; report this with the config")
            (rows,) = detections(found, config, "input", image.size, feed["scale_factor"], nms["score_threshold"])
            return [rows, np.array([len(rows)])]

        return one_by_one(detect)

    runners = {name: detecting(name, model) for name, model in models.items()}
    builder = FeedBuilder(1, ["image", "scale_factor"], image)
    return detect_with(evaluator, builder, runners, ExportSettings(), head.select)

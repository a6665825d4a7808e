"""A trained model as a runtime of `ppdet.deploy.Detector`, which prepares images and names what was found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import paddle

from ppdet.core.settings import ExportSettings
from ppdet.deploy.backends.base import Port
from ppdet.evaluation.predictor import predict
from ppdet.export.infer_config import infer_config
from ppdet.session import Session, class_categories


class ModelBackend:
    """A `deploy.backends.base.Backend` that gives what an export of the config's `weights` gives, without writing one.

    It runs on the session's device.
    """

    def __init__(self, session: Session) -> None:
        categories = class_categories(session)
        self._model = session.load_model()
        export = ExportSettings(thresholds=session.settings.export.thresholds)
        as_exported = replace(session, settings=replace(session.settings, export=export))
        self.infer_cfg: str | None = json.dumps(infer_config(as_exported, self._model, categories))
        float32 = np.dtype(np.float32)
        self.inputs: tuple[Port, ...] = (
            Port("image", (None, 3, None, None), float32),
            Port("scale_factor", (None, 2), float32),
        )

    def run(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """bbox [M, 6] and bbox_num [B]."""
        return list(predict(self._model, *(paddle.to_tensor(feeds[port.name]) for port in self.inputs)))

"""Weights & Biases."""

from __future__ import annotations

import logging
import os
import secrets

from ppdet.training.callbacks.base import Callback, Numbers, Run, require, scalars
from ppdet.training.callbacks.run_files import keep_id, kept_id

logger = logging.getLogger(__name__)


class WeightsAndBiases(Callback):
    """Sends scalars and the config to Weights & Biases, or with WANDB_MODE=offline keeps them in the output folder.

    Its own environment variables decide about everything else: WANDB_PROJECT, WANDB_ENTITY, WANDB_API_KEY, …
    """

    def __init__(self) -> None:
        """Raises UserError if wandb is not installed."""
        self._wandb = require("wandb", "log: wandb", "wandb", "wandb")

    def on_begin(self, run: Run) -> None:
        known = kept_id(run, "wandb")
        run_id = known or secrets.token_hex(4)
        self._run = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", "ppdet"),
            name=run.name,
            id=run_id,
            resume="allow",
            dir=str(run.folder),
            config=dict(run.config),
            settings=self._wandb.Settings(console="off", silent=True),
        )
        if not known:
            keep_id(run, "wandb", run_id)
        logger.info("wandb: %s", self._run.dir if self._run.offline else self._run.url)

    def on_record(self, kind: str, updates: int, numbers: Numbers) -> None:
        self._run.log({f"{kind}/{name}": value for name, value in scalars(numbers).items()}, step=updates)

    def on_end(self, complete: bool) -> None:
        self._run.finish(exit_code=0 if complete else 1)

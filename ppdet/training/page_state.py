"""State of a training in words, for its page, from the records in metrics.jsonl."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ppdet.core.settings import EarlyStop
from ppdet.report.training_page import State
from ppdet.training.early_stop import Scores, evaluations_without_rise, reason_to_stop
from ppdet.training.meter import duration
from ppdet.training.trend import more_epochs

Records = Sequence[Mapping[str, Any]]


def state_of(records: Records, scores: Scores, epochs: int, rule: EarlyStop | None, name: str, end: str) -> State:
    """The progress of the training.

    Args:
        records: of the log lines and evaluations.
        scores: those of all evaluations.
        epochs: that were asked for.
        rule: the config's `early_stop`.
        name: the name of the score.
        end: "complete" or "interrupted"; "" while it runs.
    """
    last = records[-1] if records else {"epoch": 0}
    epoch, written = int(last["epoch"]), time.strftime("%Y-%m-%dT%H:%M:%S")
    if end == "interrupted":
        place = f"in epoch {epoch} of {epochs}" if epoch else "before the first log line"
        text = f"{place}. It goes on from its last checkpoint with -r auto; the end of the log says why it ended."
        return State("interrupted", text, False, written)
    if end and (reason := reason_to_stop(rule, scores, name)) and epoch < epochs:
        return State("stopped early", f"after epoch {epoch} of {epochs}. {reason}.", False, written)
    if end:
        return State("finished", f"after {epoch} epochs.", False, written)
    lines = [record for record in records if record["kind"] == "train"]
    left = f", about {duration(math.ceil(lines[-1]['eta_seconds']))} left, without evaluations" if lines else ""
    return State("running", f"epoch {epoch} of {epochs}{left}." if epoch else "", True, written)


def sentences_of(scores: Scores, rule: EarlyStop | None, name: str, ended: bool) -> list[str]:
    """Sentences about the number of epochs, from the scores."""
    if not scores:
        return []
    if ended:
        text = more_epochs(scores, name)
        return [f"{text[0].upper()}{text[1:]}."]
    waited = evaluations_without_rise(scores, rule.get("min_delta", 0.0)) if rule else 0
    return [f"No rise in {waited} of {rule['patience']} evaluations after which it stops."] if rule and waited else []

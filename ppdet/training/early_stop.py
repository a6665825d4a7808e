"""The decision to end a training whose scores have stopped rising.

It depends on nothing but the scores, which a checkpoint stores, so a resumed run takes the same one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ppdet.core.settings import EarlyStop

Scores = Sequence[tuple[int, float]]  # of the evaluations so far: epochs that were done, the primary score


def reason_to_stop(rule: EarlyStop | None, scores: Scores, name: str) -> str | None:
    """The reason to end the training after the last of the `scores`, in words; None if there is none.

    Args:
        rule: the config's `early_stop`; None: never stop.
        scores: those of all evaluations; of a run that continues a checkpoint without them, those since then.
        name: the name of the score.
    """
    if not rule:
        return None
    patience, min_delta = rule["patience"], rule.get("min_delta", 0.0)
    waited = evaluations_without_rise(scores, min_delta)
    if waited < patience:
        return None
    epoch, best = max(scores, key=lambda pair: pair[1])
    rise = f"rise by more than {min_delta:g}" if min_delta else "rise"
    return (
        f"early_stop: {name} did not {rise} in {waited} evaluations (best {best:.4f} in epoch {epoch}); "
        f"stopping in epoch {scores[-1][0]}"
    )


def evaluations_without_rise(scores: Scores, min_delta: float) -> int:
    """The number of evaluations since the score last rose by more than `min_delta`.

    Small rises add up, because each score is compared with the one of that evaluation.
    """
    risen, waited = -math.inf, 0
    for _, score in scores:
        risen, waited = (score, 0) if score > risen + min_delta else (risen, waited + 1)
    return waited

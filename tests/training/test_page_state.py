"""The sentences about how far a training is."""

from __future__ import annotations

from typing import Any

import pytest

from ppdet.training.page_state import sentences_of, state_of

SCORES = [(1, 0.2), (2, 0.3), (3, 0.3), (4, 0.1)]
RECORDS: list[dict[str, Any]] = [
    {"kind": "train", "epoch": 4, "eta_seconds": 3661.2},
    {"kind": "eval", "epoch": 4, "AP": 0.1},
]


@pytest.mark.parametrize(
    ("records", "patience", "epochs", "end", "word", "text"),
    [
        ([], None, 9, "", "running", ""),
        (RECORDS, None, 9, "", "running", "epoch 4 of 9, about 1:01:02 left, without evaluations."),
        (RECORDS, None, 4, "complete", "finished", "after 4 epochs."),
        (RECORDS, 3, 9, "complete", "finished", "after 4 epochs."),
        (RECORDS, 2, 4, "complete", "finished", "after 4 epochs."),
        (RECORDS, None, 9, "interrupted", "interrupted", "in epoch 4 of 9. "),
        ([], None, 9, "interrupted", "interrupted", "before the first log line. "),
        (
            RECORDS,
            2,
            9,
            "complete",
            "stopped early",
            "after epoch 4 of 9. early_stop: AP did not rise in 2 evaluations (best 0.3000 in epoch 2);",
        ),
    ],
)
def test_the_state(records: Any, patience: Any, epochs: int, end: str, word: str, text: str) -> None:
    rule: Any = {"patience": patience} if patience else None
    state = state_of(records, SCORES if records else [], epochs, rule, "AP", end)
    assert (state.word, state.running) == (word, word == "running")
    assert state.text.startswith(text)


def test_the_sentences() -> None:
    rule: Any = {"patience": 5}
    assert sentences_of([], rule, "AP", ended=True) == []
    assert sentences_of(SCORES, None, "AP", ended=False) == []
    assert sentences_of(SCORES[:2], rule, "AP", ended=False) == []
    assert sentences_of(SCORES, rule, "AP", ended=False) == ["No rise in 2 of 5 evaluations after which it stops."]
    (text,) = sentences_of(SCORES, rule, "AP", ended=True)
    assert text == "Would more epochs have helped: not known, 4 evaluations are fewer than 5."

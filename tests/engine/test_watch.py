"""Who counts as silent; tests/tools/test_distributed.py stops and kills real processes."""

from __future__ import annotations

from ppdet.engine.watch import SILENCE, STATUS, end_job, is_lost_connection, silent_ranks


def test_only_the_silent_are_named() -> None:
    left = 1 << 41
    heard = {1: (5, 0.0), 2: (7, 10.0), 3: (left, 0.0)}
    assert silent_ranks(heard, SILENCE) == []
    assert silent_ranks(heard, SILENCE + 5) == [1]
    assert silent_ranks(heard, SILENCE + 15) == [1, 2]


def test_the_end_says_why(capsys) -> None:
    statuses: list[int] = []
    end_job("rank 1: gone", statuses.append)
    assert statuses == [STATUS]
    assert capsys.readouterr().err == "error: rank 1: gone\n"


def test_errors_of_gloo_are_known() -> None:
    text = "[/paddle/third_party/gloo/gloo/transport/tcp/pair.cc:576] Read error [127.0.0.1]:4009: Connection reset"
    assert is_lost_connection(RuntimeError(text))
    assert not is_lost_connection(RuntimeError("out of memory"))
    assert not is_lost_connection(ValueError(text))

"""Loggers that fail, before the training and in the middle of it."""

from __future__ import annotations

import pytest

from ppdet.core.errors import UserError
from ppdet.training.callbacks import Callback, Run, Tolerant
from ppdet.training.loop import fit
from ppdet.training.setup import build_trainer
from tests.support.tiny import make_run


class Failing(Callback):
    """Fails in one of its methods, and counts the calls of all."""

    def __init__(self, method: str, error: Exception) -> None:
        self.calls: list[str] = []
        self._method, self._error = method, error

    def _called(self, method: str) -> None:
        self.calls.append(method)
        if method == self._method:
            raise self._error

    def on_begin(self, run: Run) -> None:
        self._called("on_begin")

    def on_record(self, kind, updates, numbers) -> None:
        self._called("on_record")

    def on_checkpoint(self) -> None:
        self._called("on_checkpoint")

    def on_end(self, complete: bool) -> None:
        self._called("on_end")


@pytest.mark.parametrize(
    ("method", "calls"),
    [
        ("on_record", ["on_begin", "on_record", "on_end"]),
        ("on_checkpoint", ["on_begin", "on_record", "on_record", "on_checkpoint", "on_end"]),
        ("on_end", ["on_begin", "on_record", "on_record", "on_checkpoint", "on_end"]),
    ],
)
def test_a_training_goes_on_without_it(tiny, caplog, method, calls):
    """One warning, then silence; its files are closed."""
    logger = Failing(method, OSError(28, "No space left on device"))
    end = fit(*build_trainer(make_run(tiny, "epoch=1"), callbacks=[Tolerant(logger, "log: x")]))
    assert end.epoch == 1
    assert logger.calls == calls
    warnings = [r.getMessage() for r in caplog.records if "log: x" in r.getMessage()]
    assert warnings == [
        "log: x: failed ([Errno 28] No space left on device); the training goes on without it",
    ]


def test_one_that_cannot_start(tiny):
    logger = Failing("on_begin", ValueError("Traceback\nCommError: no key\nhint"))
    with pytest.raises(UserError) as error:
        fit(*build_trainer(make_run(tiny, "epoch=1"), callbacks=[Tolerant(logger, "log: x")]))
    assert str(error.value) == "log: x: cannot start (CommError: no key); repair that, or leave it out"
    assert logger.calls == ["on_begin"]


def test_those_that_have_begun_are_ended_if_another_cannot_start(tiny):
    first, last = Failing("", OSError()), Failing("", OSError())
    broken = Tolerant(Failing("on_begin", ValueError("no key")), "log: x")
    with pytest.raises(UserError, match="^log: x: cannot start"):
        fit(*build_trainer(make_run(tiny, "epoch=1"), callbacks=[first, broken, last]))
    assert (first.calls, last.calls) == (["on_begin", "on_end"], [])


def test_errors_of_the_program_end_the_training(tiny):
    with pytest.raises(ZeroDivisionError):
        fit(*build_trainer(make_run(tiny, "epoch=1"), callbacks=[Failing("on_record", ZeroDivisionError())]))


@pytest.mark.parametrize("error", [None, KeyError("x")])
def test_the_end_is_told_in_every_case(tiny, error):
    """Whether it is complete as well."""
    ends = []

    class Watch(Callback):
        def on_record(self, kind, updates, numbers) -> None:
            if error:
                raise error

        def on_end(self, complete: bool) -> None:
            ends.append(complete)

    trainer = build_trainer(make_run(tiny, "epoch=1"), callbacks=[Watch()])
    if error:
        with pytest.raises(KeyError):
            fit(*trainer)
    else:
        fit(*trainer)
    assert ends == [error is None]

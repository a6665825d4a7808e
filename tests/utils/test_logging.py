from __future__ import annotations

import logging

import pytest
from tqdm import tqdm

from ppdet.utils.logging import TqdmHandler, setup_logging


def test_one_line_even_when_set_up_twice(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging()
    setup_logging()
    assert sum(isinstance(h, TqdmHandler) for h in logging.root.handlers) == 1
    logging.getLogger("ppdet.training.loop").info("epoch %d", 3)
    logging.getLogger("ppdet.training.loop").debug("not shown")
    logging.getLogger("other").info("not shown")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.endswith(" I epoch 3\n")


def test_a_name_gives_the_terminal_no_commands(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging()
    try:
        raise ValueError("two\nlines \x1b[2J")
    except ValueError:
        logging.getLogger("ppdet.x").exception("%s is odd", "a\x1b[31m\u2066  b\nc")
    first, *trace = capsys.readouterr().err.splitlines()
    assert first.endswith(r"E a\x1b[31m\u2066  b c is odd")
    assert trace[-2:] == ["ValueError: two", r"lines \x1b[2J"]


def test_handler_that_paddle_installs_is_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    logging.root.addHandler(logging.StreamHandler())
    setup_logging()
    logging.getLogger("ppdet.x").warning("once")
    assert capsys.readouterr().err.count("once") == 1


def test_debug_tells_where(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(debug=True)
    logging.getLogger("ppdet.x").debug("hm")
    assert "D ppdet.x:" in capsys.readouterr().err


def test_other_ranks_only_warn(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(rank=2)
    logging.getLogger("ppdet.x").info("not shown")
    logging.getLogger("ppdet.x").warning("careful")
    err = capsys.readouterr().err
    assert err.startswith("[rank 2] ")
    assert err.endswith("W careful\n")
    assert err.count("\n") == 1


def test_line_does_not_break_a_progress_bar(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging()
    with tqdm(total=2) as bar:
        bar.update()
        logging.getLogger("ppdet.x").info("between")
    lines = capsys.readouterr().err.replace("\r", "\n").splitlines()
    assert any(line.endswith("I between") for line in lines)

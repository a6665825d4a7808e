from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from ppdet.deploy.options import add_switch, as_path, path_or_address


def test_paths_are_not_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert as_path("~/x") == Path("/home/me/x")
    with pytest.raises(argparse.ArgumentTypeError, match="expected a path, found nothing"):
        as_path("")


def test_an_address_is_no_path() -> None:
    assert path_or_address("rtsp://camera//stream") == "rtsp://camera//stream"
    assert path_or_address("a//b") == Path("a/b")


@pytest.mark.parametrize(
    ("argv", "expected"),
    [([], False), (["--x"], True), (["--x=true"], True), (["--x", "True"], True), (["--x=false"], False)],
)
def test_switches_are_given_in_both_ways(argv, expected):
    parser = argparse.ArgumentParser()
    add_switch(parser, "--x", help="")
    assert parser.parse_args(argv).x is expected


def test_a_switch_takes_no_other_value(capsys):
    parser = argparse.ArgumentParser()
    add_switch(parser, "--x", help="")
    with pytest.raises(SystemExit):
        parser.parse_args(["--x=maybe"])
    assert "expected true or false, found 'maybe'" in capsys.readouterr().err

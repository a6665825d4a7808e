"""A config with a mutation runs, or ends with one line that names the key; nonsense never runs."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path

import pytest

from ppdet.catalog import load_classes
from ppdet.core.config import load_config
from tests.config_fuzz import NONSENSE, fault_of, mutations, outcome, run_as_command
from tests.support.workspaces import coco_workspace


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    load_classes()
    return coco_workspace(tmp_path_factory.mktemp("fuzz")).config


@pytest.mark.parametrize("override", NONSENSE)
def test_nonsense_is_refused_in_one_line(override: str, config: Path) -> None:
    line = outcome(config, [override])
    assert line != "runs"
    assert fault_of(line, [override]) is None


def test_the_config_itself_runs(config: Path) -> None:
    assert outcome(config, []) == "runs"


def test_a_line_that_names_no_key_would_be_found() -> None:
    assert fault_of("LCNet.scale: expected above 0", ["LCNet.scale=0"]) is None
    assert fault_of("something went wrong", ["LCNet.scale=0"]) is not None
    assert fault_of("file: something went wrong", ["LCNet.scale=0"]) is not None


def drawn(config: Path, count: int, seed: int) -> list[list[str]]:
    return list(islice(mutations(load_config(config).to_dict(), seed), count))


def test_some_mutations(config: Path) -> None:
    for overrides in drawn(config, 25, seed=7):
        assert fault_of(outcome(config, overrides), overrides) is None, overrides


@pytest.mark.slow
def test_many_mutations(config: Path) -> None:
    outcomes = {}
    for overrides in drawn(config, 500 - len(NONSENSE), seed=0):
        outcomes[tuple(overrides)] = line = outcome(config, overrides)
        assert fault_of(line, overrides) is None, overrides
    assert 30 < list(outcomes.values()).count("runs") < len(outcomes) - 30  # not all of one kind


@pytest.mark.slow
def test_through_the_command_line(config: Path) -> None:
    cases = [[text] for text in NONSENSE] + drawn(config, 100, seed=0)
    for overrides in random.Random(0).sample(cases, 20):
        assert run_as_command(config, overrides)[0] is None, overrides

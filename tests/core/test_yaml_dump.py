from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppdet.core.config import load_config
from ppdet.core.shipped_configs import shipped_configs
from ppdet.core.yaml_dump import dump, dump_inline
from ppdet.core.yaml_text import parse

# Texts that some YAML reader takes for something else, and any others without controls.
ODD = ["1e-4", "010", "0o7", "12:30", "1_000", "null", "~", "yes", "", " x ", "a: b", "#", "<<", "=", "[1", "*a", "!T"]
TEXTS = st.one_of(st.sampled_from(ODD), st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12))
SCALARS = st.one_of(
    TEXTS,
    st.integers(-(2**62), 2**62),
    st.floats(allow_nan=False),
    st.booleans(),
    st.none(),
    st.dates(),
)
TREES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4))
)


@given(st.dictionaries(TEXTS, TREES, max_size=4))
def test_what_is_written_reads_back(tree: dict[str, Any]) -> None:
    assert parse(dump(tree), "").value == tree


@given(TREES)
def test_a_value_on_one_line_reads_back(value: Any) -> None:
    text = dump_inline(value)
    assert "\n" not in text
    assert parse(text, "").value == value


@pytest.mark.parametrize("name", shipped_configs())
def test_shipped_configs_read_back(name: str, tmp_path: Path) -> None:
    cfg = load_config(name, ["LearningRate.base_lr=1e-05", "wandb={run: '1e-4'}"])
    (tmp_path / "other_name.yml").write_text(dump(cfg.to_dict()))
    assert load_config(tmp_path / "other_name.yml") == cfg


def test_the_layout() -> None:
    tree = {"a": [1, 2.0], "b": {"c": [{"d": None}], "day": datetime.date(2026, 1, 2)}}
    assert dump(tree) == "a: [1, 2.0]\nb:\n  c:\n  - {d: null}\n  day: 2026-01-02\n"
    assert dump_inline(tree) == "{a: [1, 2.0], b: {c: [{d: null}], day: 2026-01-02}}"
    assert dump_inline("x") == "x"

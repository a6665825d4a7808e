"""JSON and text files of people's tools."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ppdet.core.errors import UserError
from ppdet.utils.json_file import read_json, read_text

WHOLE = json.dumps({"a": [1.5e-7, -2, None, True, float("-inf"), "caf\u00e9"], "b": {"c": [1]}})


def test_every_file_that_is_cut_short_is_said_to_be(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    for length in range(len(WHOLE)):
        file.write_text(WHOLE[:length])
        with pytest.raises(UserError, match=r"a\.json: not valid JSON \(.*; the file is probably cut short"):
            read_json(file)


@pytest.mark.parametrize(
    "text",
    [f"{WHOLE[:-1]}, }}", f"{WHOLE}\nDONE", f"// made by hand\n{WHOLE}", f"{WHOLE}\n{WHOLE}", "{'a': 1}", f"{WHOLE}]"],
    ids=["comma", "text behind it", "comment", "two", "quotes", "bracket"],
)
def test_a_file_that_is_whole_is_to_be_corrected(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=r"a\.json: not valid JSON \(.*; correct it or fetch it again"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32", "gbk"])
def test_text_in_another_encoding(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("car\n行人\n", encoding=encoding)
    with pytest.raises(UserError, match=r"a\.txt: not text in UTF-8; save it as UTF-8"):
        read_text(tmp_path / "a.txt")
    (tmp_path / "a.txt").write_text("car\n", encoding="utf-16-le")  # as UTF-8 it has NULs
    with pytest.raises(UserError, match=r"a\.txt: not text in UTF-8"):
        read_text(tmp_path / "a.txt")

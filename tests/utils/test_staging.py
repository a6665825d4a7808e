"""Files that are replaced together or not at all."""

from __future__ import annotations

import pytest

from ppdet.core.errors import UserError
from ppdet.utils.staging import staged


def test_files_replace_those_of_the_same_names(tmp_path) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (folder / "old").write_text("old")
    (folder / "both").write_text("old")
    with staged(folder) as temp:
        (temp / "both").write_text("new")
        (temp / "new").write_text("new")
        (temp / "folder").mkdir()
        assert (folder / "both").read_text() == "old"
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"old": "old", "both": "new", "new": "new"}


def test_an_error_leaves_everything_as_it_was(tmp_path) -> None:
    (tmp_path / "file").write_text("old")

    def replace_half() -> None:
        with staged(tmp_path) as temp:
            (temp / "file").write_text("new")
            raise ValueError("later")

    with pytest.raises(ValueError, match="later"):
        replace_half()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_folder_that_cannot_be_created(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match=r"file/x: cannot be written \(.*\); choose another --output_dir"),
        staged(tmp_path / "file" / "x"),
    ):
        pass

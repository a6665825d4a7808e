from __future__ import annotations

from pathlib import Path

import pytest

from ppdet.core.errors import UserError
from ppdet.utils.new_folder import new_folder, require_new


def test_a_folder_that_exists_or_lies_inside_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for folder in (source, tmp_path / "full"):
        folder.mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    for folder in (tmp_path / "full", tmp_path / "full" / "mine.txt"):
        with pytest.raises(UserError, match="--fix: .* exists already; give a new folder"):
            require_new(folder, source, "--fix")
    with pytest.raises(UserError, match="--output: .* lies inside .*; give a place outside"):
        require_new(source / "fixed", source, "--output")
    require_new(tmp_path / "new", source, "--output")


def test_the_folder_appears_whole(tmp_path: Path) -> None:
    with new_folder(tmp_path / "deep" / "new", "--output") as temp:
        (temp / "a.txt").write_text("a")
        assert not (tmp_path / "deep" / "new").exists()
    assert (tmp_path / "deep" / "new" / "a.txt").read_text() == "a"
    assert list((tmp_path / "deep").iterdir()) == [tmp_path / "deep" / "new"]


def test_nothing_is_left_of_a_failure(tmp_path: Path) -> None:
    def fail() -> None:
        with new_folder(tmp_path / "new", "--output") as temp:
            (temp / "a.txt").write_text("a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match="--output: .*file/new cannot be written"),
        new_folder(tmp_path / "file" / "new", "--output"),
    ):
        pass


def test_the_current_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell would go on in the folder that was there before."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in (".", "../here"):
        with pytest.raises(UserError, match="--output: .* is the current folder; give a new folder"):
            require_new(Path(name), tmp_path / "source", "--output")


@pytest.mark.parametrize("there", [True, False])
def test_a_link_keeps_pointing_where_it_did(there: bool, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("disk")
    if there:
        (tmp_path / "disk").mkdir()
    require_new(tmp_path / "link", tmp_path / "source", "--output")
    with new_folder(tmp_path / "link", "--output") as temp:
        (temp / "a.txt").write_text("a")
    assert (tmp_path / "link").is_symlink()
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["a.txt"]

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ppdet.core.errors import UserError
from ppdet.deploy.files import atomic_path, atomic_write, unfinished_files


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writes_text_and_bytes_and_makes_folders(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    with atomic_write(path) as file:
        file.write("größe")
        assert not path.exists()
    assert path.read_text(encoding="utf-8") == "größe"
    with atomic_path(path) as temp:
        temp.write_bytes(b"\x80\x02")
    assert path.read_bytes() == b"\x80\x02"
    assert names(path.parent) == ["a.json"]


def test_failure_keeps_the_old_file_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "model.pdparams"
    path.write_text("old")
    with pytest.raises(TypeError), atomic_write(path) as file:
        file.writelines(["half", 3])
    assert path.read_text() == "old"
    assert names(tmp_path) == ["model.pdparams"]


def test_full_disk_is_a_user_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.pdparams"
    path.write_text("old")

    def no_space(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_space)
    with (
        pytest.raises(UserError, match=r"model.pdparams: cannot be written \(No space left"),
        atomic_write(path) as file,
    ):
        file.write("new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["model.pdparams"]


def test_folder_that_cannot_be_made_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "a.txt", tmp_path / "file" / "b" / "a.txt"):
        with pytest.raises(UserError, match="a.txt: cannot be written"), atomic_write(path):
            pass
    with pytest.raises(UserError, match="cannot be written"), atomic_write(tmp_path) as file:
        file.write("a folder is in the way")


def test_errors_about_other_files_pass_through(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "a.txt") as file:
        file.write((tmp_path / "other.txt").read_text())
    with pytest.raises(ConnectionResetError), atomic_write(tmp_path / "a.txt"):
        raise ConnectionResetError
    assert names(tmp_path) == []


def test_atomic_path_keeps_the_extension(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "picture.v2.jpg") as temp:
        assert temp.suffix == ".jpg"
        assert temp.parent == tmp_path
        temp.write_bytes(b"data")
    assert (tmp_path / "picture.v2.jpg").read_bytes() == b"data"


def test_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "best.txt"
    link.symlink_to(tmp_path / "real" / "best.txt")
    with atomic_write(link) as file:
        file.write("x")
    assert link.is_symlink()
    assert (tmp_path / "real" / "best.txt").read_text() == "x"


def test_what_killed_processes_left_is_found(tmp_path: Path) -> None:
    """Whatever the file was to be; hidden files of other programs are none of it."""
    left = {tmp_path / name for name in (".report.0a1b2c3d.tmp.html", ".train_batch0.9f.tmp.jpg", ".7.0123.tmp")}
    for path in (*left, tmp_path / ".gitignore", tmp_path / ".mine.tmp.html", tmp_path / "report.html"):
        path.touch()
    assert set(unfinished_files(tmp_path)) == left

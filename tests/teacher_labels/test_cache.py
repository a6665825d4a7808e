"""The file of detections: what belongs to it, and what happens to damaged ones."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ppdet.core.errors import UserError
from ppdet.deploy import Detector
from ppdet.teacher_labels import cache
from ppdet.teacher_labels.detect import ImageFile
from tests.deploy.conftest import INFER_CFG, make_model

ROWS = [np.float32([[1, 0.5, 0, 0, 5, 5]]), np.empty((0, 6), np.float32), np.float32([[0, 0.25, 1, 1, 2, 2]] * 2)]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "teacher.npz"
    assert cache.read(path, "key", 3) == []
    for done in (0, 1, 3):  # a part of the images, and then all of them
        cache.write(path, "key", ROWS[:done])
        np.testing.assert_equal(cache.read(path, "key", 3), ROWS[:done])
    assert [file.name for file in path.parent.iterdir()] == ["teacher.npz"]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(np.float32(0.25).tobytes())] ^= 1
    path.write_bytes(content)


def set_bits(offset: int, bits: int) -> Callable[[Path], None]:
    """Sets bits of a byte of the first entry in the list of contents, which zipfile does not call a bad file."""

    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[content.index(b"PK\1\2") + offset] |= bits
        path.write_bytes(content)

    return damage


def as_one_array(path: Path) -> None:
    with path.open("wb") as stream:
        np.save(stream, ROWS[0])


def of_objects(path: Path) -> None:
    np.savez(path, fingerprint=np.array("key"), counts=np.array([{}], object), rows=ROWS[0])


def with_counts(*counts: float) -> Callable[[Path], None]:
    return lambda path: np.savez(path, fingerprint=np.array("key"), counts=np.array(counts), rows=ROWS[0])


FAULTS = {
    "cut short": (cut, ""),
    "another byte": (flip_a_byte, "CRC"),
    "empty": (lambda path: path.write_bytes(b""), ""),
    "text": (lambda path: path.write_text("detections"), ""),
    "a bit that says encrypted": (set_bits(8, 1), "encrypted"),
    "a compression that nobody knows": (set_bits(10, 255), "not supported"),
    "one array": (as_one_array, ""),
    "pickled objects": (of_objects, "allow_pickle"),
    "an array less": (lambda path: np.savez(path, fingerprint=np.array("key")), "counts"),
    "counts of more rows": (with_counts(2), "its numbers are wrong"),
    "counts below 0": (with_counts(-1, 2), "its numbers are wrong"),
    "counts that are not whole": (with_counts(1.0), "it holds other arrays"),
    "more images": (with_counts(1, 0, 0, 0), "it holds other arrays"),
    "another model": (lambda path: cache.write(path, "other", ROWS), "another model or other images"),
}


@pytest.mark.parametrize(("damage", "reason"), FAULTS.values(), ids=FAULTS.keys())
def test_a_damaged_file_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], object], reason: str
) -> None:
    path = tmp_path / "teacher.npz"
    cache.write(path, "key", ROWS)
    damage(path)
    with caplog.at_level(logging.WARNING):
        assert cache.read(path, "key", 3) == []
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{path}: is not used (")
    assert reason in record.getMessage()
    assert "\n" not in record.getMessage()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"^TeacherLabels\.cache_dir: .*file.*cannot be written.*another folder$"):
        cache.write(tmp_path / "file" / "teacher.npz", "key", ROWS)


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "teacher.npz"
    cache.write(path, "key", ROWS[:1])

    def full(*arguments: object, **arrays: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(UserError, match=r"^TeacherLabels\.cache_dir: .*No space left on device.*another folder$"):
        cache.write(path, "key", ROWS)
    monkeypatch.undo()
    assert len(cache.read(path, "key", 3)) == 1


def test_the_fingerprint_is_of_model_preprocessing_and_images(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    data = tmp_path / "data"
    data.mkdir()
    files = [data / "a.png", data / "b.png"]
    for file in files:
        file.write_bytes(b"image")
        os.utime(file, ns=(1, 1))

    def key(
        root: Path = data,
        names: list[Path] = files,
        config: dict | None = None,
        box: int = 64,
        size: tuple[int, int] | None = None,
    ) -> str:
        model = make_model(tmp_path / "model.onnx", config or INFER_CFG, side=box)
        return cache.fingerprint(Detector(model, "onnxruntime"), [ImageFile(str(name), size) for name in names], root)

    plain = key()
    assert key() == plain
    assert key(config=INFER_CFG | {"draw_threshold": 0.25}) == plain  # all scores are kept anyway
    others = [key(config=INFER_CFG | {"label_list": ["cat", "cow"]}), key(names=files[:1]), key(names=files[::-1])]
    resize = [{**INFER_CFG["Preprocess"][0], "target_size": [32, 32]}, *INFER_CFG["Preprocess"][1:]]
    others.append(key(config=INFER_CFG | {"Preprocess": resize}, box=32))
    others.append(key(size=(40, 80)))
    for content in (b"weights", b"others"):
        (tmp_path / "model.onnx.data").write_bytes(content)
        others.append(key())
    (tmp_path / "model.onnx.data").unlink()
    data.rename(tmp_path / "moved")
    assert key(tmp_path / "moved", [tmp_path / "moved" / file.name for file in files]) == plain
    (tmp_path / "moved").rename(data)
    os.utime(files[1], ns=(1, 2))
    others.append(key())
    files[1].write_bytes(b"images")
    os.utime(files[1], ns=(1, 1))
    others.append(key())
    files[1].unlink()
    others.append(key())
    assert len({plain, *others}) == 1 + len(others)

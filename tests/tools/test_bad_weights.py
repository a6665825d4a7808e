"""Weights that are not there, not whole, or not of this model."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.workspaces import Tools, Workspace


def arguments(name: str, coco: Workspace) -> list[object]:
    """Of a tool that needs weights; what it would write goes to coco.root / "out"."""
    more: dict[str, list[object]] = {
        "eval": ["--output_eval", coco.root / "out"],
        "infer": ["--infer_dir", coco.data / "val", "--output_dir", coco.root / "out"],
        "export_model": ["--output_dir", coco.root / "out"],
    }
    return ["-c", coco.config, *more[name]]


NEEDS_WEIGHTS = pytest.mark.parametrize("name", ["eval", "infer", "export_model"])


@NEEDS_WEIGHTS
def test_none_given(name: str, tools: Tools, coco: Workspace) -> None:
    error = tools.fail(name, *arguments(name, coco))
    assert error == "weights: required, not given; add -o weights=<file, name or URL>"
    assert not (coco.root / "out").exists()


@NEEDS_WEIGHTS
def test_missing_file(name: str, tools: Tools, coco: Workspace) -> None:
    error = tools.fail(name, *arguments(name, coco), "-o", f"weights={coco.root}/none.pdparams")
    assert error.startswith(f"{coco.root}/none.pdparams: no such weights file; expected a path")
    assert not (coco.root / "out").exists()


def test_misspelt_published_name(tools: Tools, coco: Workspace) -> None:
    error = tools.fail("eval", *arguments("eval", coco), "-o", "weights=picodet_xs_320_coco_lcnt")
    assert error.endswith("did you mean 'picodet_xs_320_coco_lcnet'?")


CORRUPT: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda whole: whole[: len(whole) // 2],
    "almost whole": lambda whole: whole[:-1],
    "empty": lambda whole: b"",
    "text": lambda whole: b"just some text, several lines\n" * 50,
    "HTML": lambda whole: b"<!DOCTYPE html><html><body>404</body></html>",
    "zeros": lambda whole: bytes(len(whole)),
    "overwritten": lambda whole: whole[:1000] + b"x" * 1000 + whole[2000:],
}


@pytest.mark.parametrize("key", ["weights", "pretrain_weights"])
@pytest.mark.parametrize("kind", CORRUPT)
def test_corrupt(kind: str, key: str, tools: Tools, coco: Workspace, weights: Path) -> None:
    file = coco.root / "bad.pdparams"
    file.write_bytes(CORRUPT[kind](weights.read_bytes()))
    name = "eval" if key == "weights" else "train"
    error = tools.fail(name, "-c", coco.config, "-o", f"{key}={file}")
    assert error.startswith(f"{file}: ")
    assert not coco.output.exists()


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.file), "w")


WANTS = "refused: it wants to call io.open, which no weights file needs"


@pytest.mark.parametrize("name", ["eval", "infer", "export_model", "train"])
def test_weights_that_run_code(name: str, tools: Tools, coco: Workspace) -> None:
    file, ran = coco.root / "evil.pdparams", coco.root / "ran"
    file.write_bytes(pickle.dumps({"w": Touch(ran)}, 2))
    given = (
        [*arguments(name, coco), "-o", f"weights={file}"]
        if name != "train"
        else ["-c", coco.config, "-o", f"pretrain_weights={file}"]
    )
    assert tools.fail(name, *given).startswith(f"{file}: {WANTS}")
    assert not ran.exists()


@pytest.mark.parametrize("suffix", [".pdstate", ".pdopt", ".pdema"])
def test_checkpoints_that_run_code(suffix: str, tools: Tools, coco: Workspace) -> None:
    """With checksums that are right."""
    from ppdet.training.checkpoint_folder import state_checksum
    from ppdet.utils.files import checksum
    from ppdet.utils.weight_files import read_arrays

    tools.run("train", "-c", coco.config, "-o", "epoch=1")
    final, ran = coco.output / "model_final", coco.root / "ran"
    state = read_arrays(coco.output / "model_final.pdstate")
    evil = coco.output / f"model_final{suffix}"
    evil.write_bytes(pickle.dumps({"w": Touch(ran)}, 2))
    if suffix != ".pdstate":
        state["checksums"][suffix] = checksum(evil)
        state["checksums"][".pdstate"] = state_checksum(state)
        (coco.output / "model_final.pdstate").write_bytes(pickle.dumps(state))
    error = tools.fail("train", "-c", coco.config, "-r", final, "-o", "epoch=2")
    assert error.startswith(f"{evil}: {WANTS}")
    error = tools.fail("train", "-c", coco.config, "-r", "auto", "-o", "epoch=2")
    told = f"{coco.output}: none of its 1 checkpoints is whole (" if suffix == ".pdstate" else ""
    assert error.startswith(f"{told}{evil}: {WANTS}")
    assert not ran.exists()


def paddle_save(content: Any, file: Path) -> Path:
    import paddle

    paddle.save(content, str(file))
    return file


def test_not_a_state_dict(tools: Tools, coco: Workspace) -> None:
    file = paddle_save([1, 2], coco.root / "list.pdparams")
    error = tools.fail("eval", *arguments("eval", coco), "-o", f"weights={file}")
    assert error.startswith(f"{file}: expected a state dict, found list")


@NEEDS_WEIGHTS
def test_of_another_model(name: str, tools: Tools, coco: Workspace, weights: Path) -> None:
    error = tools.fail(name, *arguments(name, coco), "-o", f"weights={weights}", "LCNet.scale=0.5")
    assert error.startswith(f"{weights}: these are weights of another model: ")
    assert "instead of" in error
    assert not (coco.root / "out").exists()


def test_pretrained_of_another_model(tools: Tools, coco: Workspace, weights: Path) -> None:
    error = tools.fail("train", "-c", coco.config, "-o", f"pretrain_weights={weights}", "LCNet.scale=0.5")
    assert error.startswith(f"{weights}: does not fit this model: ")


def test_pretrained_of_nothing_known(tools: Tools, coco: Workspace) -> None:
    import numpy as np

    file = paddle_save({"conv.weight": np.zeros(3, "float32")}, coco.root / "other.pdparams")
    error = tools.fail("train", "-c", coco.config, "-o", f"pretrain_weights={file}")
    assert error.startswith(f"{file}: fits neither this model nor its backbone: ")


def test_nan_in_weights_to_train_from(tools: Tools, coco: Workspace, weights: Path) -> None:
    import paddle

    content = paddle.load(str(weights), return_numpy=True)
    name = next(name for name in content if name.startswith("head.head_cls"))
    content[name][...] = float("nan")
    file = paddle_save(content, coco.root / "nan.pdparams")
    error = tools.fail("train", "-c", coco.config, "-o", f"pretrain_weights={file}")
    assert error.startswith(f"{file}: head.head_cls")
    assert "holds NaN or infinite values" in error
    assert not coco.output.exists()

"""tools/post_quant.py: INT8 files that run and a report that is true; mistakes in one line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.workspaces import ROOT, Tools, Workspace

PUBLISHED = {
    "picodet_xs_320_coco_lcnet": ("picodet_xs_320_coco_lcnet.yml", 0.2602),
    "picodet_s_320_coco_esnet": ("legacy_model/picodet_s_320_coco.yml", 0.3311),
}


def arguments(coco: Workspace, weights: Path, *overrides: str) -> list[object]:
    return ["-c", coco.config, "-o", f"weights={weights}", *overrides, "--output_dir", coco.root / "out"]


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        (
            "export.fuse_normalize=true",
            "export.input_dtype=uint8",
            "export.boxes=normalized",
            "export.nms=false",
            "export.batch_size=3",
        ),
    ],
    ids=["default", "pixels to boxes"],
)
def test_int8_files_and_report(tools: Tools, coco: Workspace, weights: Path, overrides: tuple[str, ...]) -> None:
    for module in ("paddle2onnx", "openvino"):
        pytest.importorskip(module)
    import onnx
    import openvino

    options = ["--format", "onnx,openvino", "--calib_images", 3]
    said, _ = tools.run("post_quant", *arguments(coco, weights, *overrides), *options)
    folder = coco.root / "out" / "tiny"
    names = ["int8_report.json", "model_int8.bin", "model_int8.onnx", "model_int8.xml"]
    assert sorted(path.name for path in folder.iterdir()) == names
    report = json.loads((folder / "int8_report.json").read_text())
    assert report["in_float"] == {}
    assert [row["file"] for row in report["rows"]] == ["model.onnx", "model_int8.onnx", "model.onnx", "model_int8.xml"]
    assert all(row["ms"] > 0 and f"{row['ms']:.2f}" in said for row in report["rows"])
    floats = [row["score"] for row in report["rows"][::2]]
    assert floats == pytest.approx([tools_eval(tools, coco, weights)] * 2, abs=2e-3)

    model = onnx.load(str(folder / "model_int8.onnx"))
    assert [node.op_type for node in model.graph.node].count("QuantizeLinear") >= 4
    config = {prop.key: prop.value for prop in model.metadata_props}["infer_cfg"]
    assert json.loads(config)["label_list"] == ["red", "green", "blue"]
    rt_info = openvino.Core().read_model(str(folder / "model_int8.xml")).get_rt_info(["infer_cfg"])
    infer_cfgs = [json.loads(text) for text in (config, rt_info.astype(str))]
    first, second = (infer_cfg.pop("checksum") for infer_cfg in infer_cfgs)  # each of its own file
    assert infer_cfgs[0] == infer_cfgs[1]
    assert len(first) == len(second) == 64
    assert first != second


def tools_eval(tools: Tools, coco: Workspace, weights: Path) -> float:
    """AP as tools/eval.py prints it first."""
    said, _ = tools.run("eval", "-c", coco.config, "-o", f"weights={weights}")
    return float(said.splitlines()[0].split("=")[-1])


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_weights_keep_their_score(tools: Tools, shared: Path, tmp_path: Path, name: str) -> None:
    """Within three points: the mean of several calibrations is within one, a single one can lose two."""
    for module in ("paddle2onnx", "openvino"):
        pytest.importorskip(module)
    config, expected = PUBLISHED[name]
    data = shared / "data" / "coco_tiny"
    slots = [f"{slot}.dataset_dir={data}" for slot in ("TrainDataset", "EvalDataset", "TestDataset")]
    tools.run(
        "post_quant",
        "-c",
        ROOT / "configs" / "picodet" / config,
        "-o",
        f"weights={shared / 'weights' / name}.pdparams",
        *slots,
        "--format",
        "onnx,openvino",
        "--output_dir",
        tmp_path,
    )
    (file,) = tmp_path.glob("*/int8_report.json")
    scores = [row["score"] for row in json.loads(file.read_text())["rows"]]
    np.testing.assert_allclose(scores[::2], expected, atol=1e-3)
    assert min(scores[1::2]) > expected - 0.03


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--calib_images", "0", "--calib_images: found 0; expected 1 or more"),
        ("--format", "paddle", "--format: found 'paddle'; expected some of onnx, openvino, rknn, tflite, mnn, ncnn"),
        ("--tolerance", "-1", "--tolerance: found -1.0; expected 0 or more"),
        ("--tolerance", "nan", "--tolerance: found nan; expected 0 or more"),
    ],
)
def test_impossible_values(tools: Tools, coco: Workspace, weights: Path, option: str, value: str, said: str) -> None:
    assert tools.fail("post_quant", *arguments(coco, weights), option, value) == said
    assert not (coco.root / "out").exists()


@pytest.mark.parametrize("module", ["onnx", "onnxruntime", "openvino"])
def test_a_package_that_is_missing(
    tools: Tools, coco: Workspace, weights: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    error = tools.fail("post_quant", *arguments(coco, weights), "--format", "openvino")
    assert f"--format: openvino needs {module} (" in error
    assert error.endswith('pip install ".[deploy]"')


def test_outputs_without_boxes(tools: Tools, coco: Workspace, weights: Path) -> None:
    error = tools.fail("post_quant", *arguments(coco, weights, "export.post_process=false"))
    assert error.startswith("export.post_process: found false; ")


@pytest.mark.parametrize("missing", ["train.json", "val.json"])
def test_a_dataset_that_cannot_be_read(tools: Tools, coco: Workspace, weights: Path, missing: str) -> None:
    (coco.data / missing).unlink()
    error = tools.fail("post_quant", *arguments(coco, weights))
    assert f"{coco.data / missing}: there is no such file" in error
    assert error.startswith("TrainDataset: " if missing == "train.json" else f"{coco.data}")
    assert not (coco.root / "out").exists()

"""A small model that needs no training, and the published one in every format."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

INFER_CFG: dict[str, Any] = {
    "arch": "PicoDet",
    "draw_threshold": 0.5,
    "Preprocess": [
        {"type": "Resize", "interp": 2, "target_size": [64, 64], "keep_ratio": False},
        {"type": "NormalizeImage", "is_scale": True, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
        {"type": "Permute"},
    ],
    "label_list": ["cat", "dog"],
    "NMS": {"nms_top_k": 1000, "keep_top_k": 100, "nms_threshold": 0.5},
    "fpn_stride": [8, 16],
    "boxes": "normalized",
}


def make_model(
    path: Path, config: dict[str, Any] | None = INFER_CFG, batch: int | str = "batch", side: int = 64
) -> Path:
    """An ONNX file that finds one dog in the middle of each image: as sure as the image is bright, 0 to 1."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    def constant(name: str, values: Any) -> Any:
        return numpy_helper.from_array(np.asarray(values, np.float32), name)

    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3]),  # [B, 1, 1, 1], -2 to 2.6
        helper.make_node("Mul", ["mean", "slope"], ["scaled"]),
        helper.make_node("Add", ["scaled", "middle"], ["bright"]),
        helper.make_node("Squeeze", ["bright", "last"], ["scores_2"]),
        helper.make_node("Concat", ["scores_2", "scores_2"], ["both"], axis=1),
        helper.make_node("Mul", ["both", "dogs"], ["scores"]),  # [B, 2, 1]
        helper.make_node("Mul", ["scores_2", "nothing"], ["zero"]),
        helper.make_node("Add", ["zero", "box"], ["boxes"]),  # [B, 1, 4]
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, side, side])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [batch, 1, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, 2, 1]),
        ],
        [
            constant("slope", 1 / 4.45),
            constant("middle", 2.04 / 4.45),
            constant("nothing", 0),
            constant("dogs", [[[0], [1]]]),
            constant("box", [[[0.25, 0.25, 0.75, 0.75]]]),
            numpy_helper.from_array(np.array([3], np.int64), "last"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if config is not None:
        helper.set_model_props(model, {"infer_cfg": json.dumps(config)})
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """`make_model`'s file, which takes batches of any length."""
    pytest.importorskip("onnxruntime")
    return make_model(tmp_path / "export" / "model.onnx")


@pytest.fixture(scope="session")
def export_published(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes the published XS-320 weights in some formats: (format, *overrides) -> folder."""
    for module in ("onnx", "onnxruntime", "paddle2onnx"):
        try:
            importlib.import_module(module)
        except (ImportError, ValueError) as error:  # paddle2onnx raises ValueError beside another line of Paddle
            pytest.skip(f"{module} is needed for the export: {error}")
    from ppdet.export.export import export
    from tests.golden import CONFIGS
    from tests.support.tiny import make_run

    def write(formats: str, *overrides: str) -> Path:
        data = shared / "data" / "coco_tiny"
        run = make_run(
            CONFIGS / "picodet_xs_320_coco_lcnet.yml",
            f"EvalDataset.dataset_dir={data}",
            f"TestDataset.dataset_dir={data}",
            "worker_num=0",
            "device=cpu",
            f"weights={shared / 'weights' / 'picodet_xs_320_coco_lcnet.pdparams'}",
            f"export.format={formats}",
            *overrides,
        )
        return export(run, tmp_path_factory.mktemp("published"))

    return write


@pytest.fixture(scope="session")
def published(export_published: Callable[..., Path]) -> Path:
    """With NMS, for Paddle and ONNX Runtime, and for OpenVINO where that is installed."""
    return export_published("paddle,onnx,openvino" if importlib.util.find_spec("openvino") else "paddle,onnx")

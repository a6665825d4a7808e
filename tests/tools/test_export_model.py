"""tools/export_model.py: what it writes runs, and gives what eval and infer give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from ppdet.data.ops.decode import read_image
from tests.support.workspaces import Tools, Workspace, build_model


def test_exported_model_runs(tools: Tools, coco: Workspace, weights: Path) -> None:
    import cv2
    import paddle

    from ppdet.deploy.backends.runtimes import PaddleInference
    from ppdet.export.paddle_format import program_file
    from ppdet.weights.load import load_weights

    _, log = tools.run(
        "export_model", "-c", coco.config, "-o", f"weights={weights}", "--output_dir", coco.root / "exported"
    )
    assert "checked against the trained model on 2 images" in log
    folder = coco.root / "exported" / "tiny"
    assert sorted(path.name for path in (coco.root / "exported").iterdir()) == ["tiny"]
    info = yaml.safe_load((folder / "infer_cfg.yml").read_text())
    assert info["label_list"] == ["red", "green", "blue"]
    assert info["Preprocess"][0] == {"type": "Resize", "interp": 2, "target_size": [64, 64], "keep_ratio": False}

    image = cv2.resize(read_image(str(coco.data / "val" / "1.png")), (64, 64), interpolation=2).astype(np.float32)
    normalize = info["Preprocess"][1]
    pixels = ((image / 255 - normalize["mean"]) / normalize["std"]).transpose(2, 0, 1)[None].astype(np.float32)
    scale = np.array([[64 / 48, 1]], np.float32)
    boxes, count = PaddleInference(program_file(folder), 1).run({"image": pixels, "scale_factor": scale})
    model = build_model(coco.config)
    load_weights(model, weights)
    model.eval()
    with paddle.no_grad():
        expected = model.predict(model(paddle.to_tensor(pixels)), paddle.to_tensor(scale))
    assert count.tolist() == expected.bbox_num.numpy().tolist()
    np.testing.assert_allclose(boxes, expected.bbox.numpy(), rtol=1e-4, atol=1e-3)


def test_output_folder_that_cannot_be_made(tools: Tools, coco: Workspace, weights: Path) -> None:
    (coco.root / "file").write_text("mine")
    error = tools.fail(
        "export_model", "-c", coco.config, "-o", f"weights={weights}", "--output_dir", coco.root / "file"
    )
    assert error.startswith(f"{coco.root}/file/tiny: cannot be written (")
    assert (coco.root / "file").read_text() == "mine"


def test_missing_image_shape(tools: Tools, coco: Workspace, weights: Path) -> None:
    options = ["-o", f"weights={weights}", "TestReader.inputs_def.image_shape="]
    error = tools.fail("export_model", "-c", coco.config, *options, "--output_dir", coco.root / "out")
    assert error.startswith("TestReader.inputs_def.image_shape: required for export")
    assert not (coco.root / "out").exists()

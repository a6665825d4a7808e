"""Every published config: it is read and checked, and its model is built, trained for a step and exported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest

from ppdet.catalog import load_classes
from ppdet.cli import main
from ppdet.core.builder import Builder
from ppdet.core.check import check_config
from ppdet.core.config import load_config
from ppdet.core.errors import UserError
from ppdet.core.shipped_configs import shipped_configs
from ppdet.deploy import Detector
from ppdet.export.export import export
from ppdet.modeling import build_model
from ppdet.session import open_session
from ppdet.training.checkpoint import save_weights
from ppdet.weights.published_names import published_name
from tests.support.models import make_targets
from tests.support.trained import installed_formats

OURS = ("picodet_xs_demo", "picodet_xs_320_bccd")
PUBLISHED = sorted(
    name for name, path in shipped_configs().items() if name not in OURS and path.parent.name != "recipes"
)
FAST = (
    "picodet_mobilenetv3_large_1x_416_coco",
    "picodet_shufflenetv2_1x_416_coco",
    "picodet_s_416_coco_npu",
)
# the slow suite has all of them
EACH = [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in PUBLISHED]
# Values of the published files: backbone and its scale or depth, neck width, convolutions of a level, classes, size of
# the input, batch size, epochs, base rate.
VALUES = {
    "picodet_s_416_coco_npu": ("LCNet", 0.75, 96, 4, 80, [416, 416], 40, 300, 0.2),
    "picodet_s_192_lcnet_pedestrian": ("LCNet", 0.75, 96, 2, 1, [192, 192], 64, 300, 0.32),
    "picodet_s_320_lcnet_pedestrian": ("LCNet", 0.75, 96, 2, 1, [320, 320], 64, 300, 0.32),
    "picodet_s_192_pedestrian": ("ESNet", 0.75, 96, 2, 1, [192, 192], 128, 300, 0.4),
    "picodet_s_320_pedestrian": ("ESNet", 0.75, 96, 2, 1, [320, 320], 128, 300, 0.4),
    "picodet_lcnet_x2_5_640_mainbody": ("LCNet", 2.5, 128, 4, 80, [640, 640], 56, 100, 0.4),
    "picodet_lcnet_x1_0_layout": ("LCNet", 1.0, 128, 4, 5, [800, 608], 24, 100, 0.4),
    "picodet_lcnet_cdla_layout": ("LCNet", 1.0, 128, 4, 11, [800, 608], 12, 150, 0.4),
    "picodet_lcnet_1_0x_416_coco": ("LCNet", 1.0, 128, 4, 80, [416, 416], 80, 300, 0.4),
    "picodet_lcnet_1_5x_416_coco": ("LCNet", 1.5, 128, 4, 80, [416, 416], 80, 300, 0.4),
    "picodet_lcnet_1_5x_640_coco": ("LCNet", 1.5, 160, 4, 80, [640, 640], 24, 300, 0.2),
    "picodet_lcnet_2_5x_416_coco": ("LCNet", 2.5, 128, 4, 80, [416, 416], 32, 300, 0.4),
    "picodet_lcnet_2_5x_640_coco": ("LCNet", 2.5, 128, 4, 80, [640, 640], 48, 300, 0.4),
    "picodet_mobilenetv3_large_1x_416_coco": ("MobileNetV3", 1.0, 128, 4, 80, [416, 416], 56, 180, 0.3),
    "picodet_r18_640_coco": ("ResNet", 18, 128, 4, 80, [640, 640], 56, 300, 0.3),
    "picodet_shufflenetv2_1x_416_coco": ("ShuffleNetV2", 1.0, 96, 2, 80, [416, 416], 80, 300, 0.4),
    "picodet_s_320_voc": ("ESNet", 0.75, 96, 2, 20, [320, 320], 128, 300, 0.4),
    "picodet_m_320_coco_pruner": ("ESNet", 1.0, 128, 4, 80, [320, 320], 128, 300, 0.15),
}
MILLIONS = {  # of trained parameters, as in PaddleDetection's table, which cuts digits off
    "picodet_shufflenetv2_1x_416_coco": 1.17,
    "picodet_mobilenetv3_large_1x_416_coco": 3.55,
    "picodet_lcnet_1_5x_416_coco": 3.10,
}

load_classes()


def test_all_files_are_shipped() -> None:
    assert len(PUBLISHED) == 34
    assert VALUES.keys() < set(PUBLISHED)


@pytest.mark.parametrize("name", VALUES)
def test_values(name: str) -> None:
    cfg = load_config(name)
    backbone, neck, head = (cfg["PicoDet"][part] for part in ("backbone", "neck", "head"))
    options, reader = cfg[backbone], cfg["TrainReader"]
    assert (
        backbone,
        options.get("scale", options.get("depth")),
        cfg[neck]["out_channels"],
        cfg[head]["conv_feat"]["num_convs"],
        cfg["num_classes"],
        list(cfg["TestReader"]["inputs_def"]["image_shape"][2:]),
        reader["batch_size"],
        cfg["epoch"],
        cfg["LearningRate"]["base_lr"],
    ) == VALUES[name]
    assert cfg[head]["conv_feat"]["feat_in"] == cfg[head]["feat_in_chan"] == cfg[neck]["out_channels"]
    assert cfg["LearningRate"]["reference_batch_size"] == 4 * reader["batch_size"]  # four cards


@pytest.mark.parametrize(("name", "millions"), MILLIONS.items())
def test_number_of_parameters(name: str, millions: float) -> None:
    model = build_model(Builder(load_config(name)))
    count = sum(p.size for p in model.parameters() if p.trainable)
    assert count // 10_000 == round(100 * millions)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_key_is_known(name: str) -> None:
    check_config(Builder(load_config(name)))


@pytest.mark.parametrize("name", EACH)
def test_one_step_and_an_export(name: str, tmp_path: Path) -> None:
    weights, small = tmp_path / "weights", "[64, 64]"
    overrides = [
        "device=cpu",
        f"weights={weights}.pdparams",
        "pretrain_weights=null",
        "export.post_process=true",
        "export.nms=true",
        f"export.format={'onnx' if 'onnx' in installed_formats() else 'paddle'}",
        f"{load_config(name)['PicoDet']['head']}.nms.score_threshold=0.0",
        "TestReader.inputs_def.image_shape=[1, 3, 64, 64]",
        f"TestReader.sample_transforms.1.Resize.target_size={small}",
        "TestDataset.anno_path=''",
    ]
    session = open_session(name, overrides, training=False)
    paddle.seed(0)
    model = session.build_model()
    model.train()
    _one_step(model, Builder(load_config(name)))
    save_weights(weights, model, model.state_dict())
    export(session, tmp_path / "exported")
    detector = Detector(next((tmp_path / "exported").iterdir()))
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    assert len(detector.detect(image, threshold=0.0).boxes) > 0


def _one_step(model, builder: Builder) -> None:
    """Every trainable parameter of the backbone moves, and the losses are finite."""
    before = {name: p.numpy().copy() for name, p in model.backbone.named_parameters() if p.trainable}
    optimizer = builder.build("OptimizerBuilder")(0.1, model, published_name)
    image = paddle.to_tensor(np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype("float32"))
    targets = make_targets([[[8, 8, 40, 56]], [[20, 4, 60, 30], [2, 30, 30, 62]]])
    losses = model.criterion(model(image), targets, epoch=0)
    assert all(np.isfinite(float(loss)) for loss in losses.values())
    losses["loss"].backward()
    optimizer.step()
    after = dict(model.backbone.named_parameters())
    assert [name for name, value in before.items() if (after[name].numpy() == value).all()] == []


def test_the_file_for_pruning_trains_without() -> None:
    open_session("picodet_m_320_coco_pruner", ["device=cpu"], training=False)
    open_session("picodet_m_320_coco_pruner", ["device=cpu", "unstructured_prune=false"])
    with pytest.raises(UserError, match="^unstructured_prune: pruning is not built in"):
        open_session("picodet_m_320_coco_pruner", ["device=cpu"])


def test_keys_can_be_explained_without_the_transforms_of_a_training(capsys: pytest.CaptureFixture[str]) -> None:
    main(["config", "-c", "picodet_s_416_coco_npu", "--explain", "LCNet.act"])
    assert "relu6" in capsys.readouterr().out

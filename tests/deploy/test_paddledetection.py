"""Exports of PaddleDetection and PaddleX, with configs laid out as theirs, run in `Detector`."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ppdet.deploy import DeployError, Detector

BACKENDS = ("onnxruntime", "openvino")
IMAGE = np.full((100, 200, 3), 250, np.uint8)

DEFAULT = """\
mode: paddle
draw_threshold: 0.5
metric: COCO
use_dynamic_shape: false
arch: GFL
min_subgraph_size: 3
Preprocess:
- interp: 2
  keep_ratio: false
  target_size: &id001
  - 64
  - 64
  type: Resize
- is_scale: true
  mean:
  - 0.485
  - 0.456
  - 0.406
  std:
  - 0.229
  - 0.224
  - 0.225
  type: NormalizeImage
- type: Permute
label_list:
- cat
- dog
NMS:
  keep_top_k: 100
  name: MultiClassNMS
  nms_threshold: 0.5
  nms_top_k: 1000
  score_threshold: 0.3
fpn_stride:
- 32
"""
RAW = DEFAULT.replace("arch: GFL", "arch: PicoDet") + "- 64\n"
KEEP_RATIO = DEFAULT.replace("keep_ratio: false", "keep_ratio: true").replace(
    "- type: Permute\n", "- type: Permute\n- stride: 32\n  type: PadStride\n"
)
FUSED = DEFAULT[: DEFAULT.index("- is_scale")] + DEFAULT[DEFAULT.index("- type: Permute") :]
NOT_NORMALIZED = DEFAULT.replace("is_scale: true\n", "is_scale: false\n  norm_type: none\n")
PADDLEX = (
    DEFAULT.replace("arch: GFL", "Global:\n  model_name: PicoDet-XS\narch: GFL")
    + """\
Hpi:
  backend_configs:
    paddle_infer:
      trt_dynamic_shapes: &id002
        image:
        - - 1
          - 3
          - 64
          - 64
    tensorrt:
      dynamic_shapes: *id002
"""
)


def write(folder: Path, config: str, body: str, inputs=("image",), name="model", config_name="infer_cfg.yml") -> Path:
    """A model as PaddleDetection exports it through paddle2onnx: nothing in its metadata. Returns the folder.

    body: for `onnx.parser`, outputs first; inputs: image [1, 3, H, W] and some of scale_factor, im_shape [1, 2].
    """
    onnx = pytest.importorskip("onnx")
    ports = {
        "image": "float[1, 3, H, W] image",
        "scale_factor": "float[1, 2] scale_factor",
        "im_shape": "float[1, 2] im_shape",
    }
    outputs, _, nodes = body.partition("\n")
    graph = f"g ({', '.join(ports[each] for each in inputs)}) => ({outputs}) {{\n{nodes}\n}}"
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 13]>\n{graph}')
    onnx.checker.check_model(model)
    folder.mkdir(exist_ok=True)
    onnx.save(model, folder / f"{name}.onnx")
    (folder / config_name).write_text(config)
    return folder


# A dog of score 0.75 at (16, 8, 48, 40) in the network's input, whatever the image.
NMS_INSIDE = """float[N, 6] bbox, int32[1] bbox_num
    box = Constant <value = float[1, 4] {16.0, 8.0, 48.0, 40.0}> ()
    head = Constant <value = float[1, 2] {1.0, 0.75}> ()
    order = Constant <value = int64[4] {1, 0, 1, 0}> ()
    factors = Gather <axis = 1> (scale_factor, order)
    scaled = Div (box, factors)
    bbox = Concat <axis = 1> (head, scaled)
    bbox_num = Constant <value = int32[1] {1}> ()"""
WITHOUT_NMS = """float[1, 1, 4] bbox, float[1, 2, 1] scores
    bbox = Constant <value = float[1, 1, 4] {16.0, 8.0, 48.0, 40.0}> ()
    scores = Constant <value = float[1, 2, 1] {0.0, 0.75}> ()"""
# Levels of 2 x 2 cells of 32 pixels and of one of 64; a dog in the first cell, with 0, 0.25, 0 and 0.75 cells to its
# left, top, right and bottom: each side has a distribution over 0 and 1 cells.
LOGITS = [100.0, 0.0, 1.0986123, 0.0, 100.0, 0.0, 0.0, 1.0986123]
RAW_OUTPUTS = f"""float[1, 4, 2] cls_0, float[1, 1, 2] cls_1, float[1, 4, 8] reg_0, float[1, 1, 8] reg_1
    cls_0 = Constant <value = float[1, 4, 2] {{{", ".join(map(str, [0.0, 0.75, *[0.0] * 6]))}}}> ()
    cls_1 = Constant <value = float[1, 1, 2] {{0.0, 0.0}}> ()
    reg_0 = Constant <value = float[1, 4, 8] {{{", ".join(map(str, [*LOGITS, *[0.0] * 24]))}}}> ()
    reg_1 = Constant <value = float[1, 1, 8] {{{", ".join(["0.0"] * 8)}}}> ()"""
# The whole picture, in original pixels, which only im_shape tells where the input is padded.
WITH_IM_SHAPE = """float[N, 6] bbox, int32[1] bbox_num
    head = Constant <value = float[1, 4] {1.0, 0.75, 0.0, 0.0}> ()
    order = Constant <value = int64[2] {1, 0}> ()
    sizes = Div (im_shape, scale_factor)
    corner = Gather <axis = 1> (sizes, order)
    bbox = Concat <axis = 1> (head, corner)
    bbox_num = Constant <value = int32[1] {1}> ()"""
# How bright the picture is where it is fed, as the score
BRIGHTNESS = """float[1, 1, 4] bbox, float[1, 2, 1] scores
    bbox = Constant <value = float[1, 1, 4] {16.0, 8.0, 48.0, 40.0}> ()
    mean = ReduceMean <axes = [1, 2, 3]> (image)
    largest = Constant <value = float {LARGEST}> ()
    share = Div (mean, largest)
    last = Constant <value = int64[1] {3}> ()
    one = Squeeze (share, last)
    none = Sub (one, one)
    scores = Concat <axis = 1> (none, one)"""


def expected(boxes, found) -> None:
    np.testing.assert_allclose(found.boxes, boxes, rtol=1e-5)
    np.testing.assert_allclose(found.scores, 0.75, rtol=1e-6)
    assert found.names == ("dog",)


@pytest.fixture(params=BACKENDS)
def backend(request):
    pytest.importorskip(request.param)
    return request.param


SCALED = [[50, 12.5, 150, 62.5]]  # of 200 x 100 in 64 x 64


@pytest.mark.parametrize("arch", ["GFL", "PicoDet"])
def test_default(backend, arch, tmp_path):
    """PicoDet stands in older exports of this project."""
    config = DEFAULT.replace("arch: GFL", f"arch: {arch}")
    expected(
        SCALED,
        Detector(write(tmp_path, config, NMS_INSIDE, inputs=("image", "scale_factor")), backend).detect(IMAGE),
    )


def test_without_nms(backend, tmp_path):
    """Boxes are in pixels of the input, which the config does not say."""
    expected(SCALED, Detector(write(tmp_path, DEFAULT, WITHOUT_NMS), backend).detect(IMAGE))


def test_without_nms_and_with_an_idle_scale_factor(backend, tmp_path):
    """As after quantization there, which keeps the input: the boxes are in pixels of the network's input even so."""
    body = WITHOUT_NMS.replace("bbox = Constant", "idle = Identity (scale_factor)\n    bbox = Constant")
    folder = write(tmp_path, DEFAULT, body, inputs=("image", "scale_factor"))
    expected(SCALED, Detector(folder, backend).detect(IMAGE))


def test_raw(backend, tmp_path):
    found = Detector(write(tmp_path, RAW, RAW_OUTPUTS), backend).detect(IMAGE)
    expected([[50, 12.5, 50, 62.5]], found)  # of (16, 8, 16, 40)


def test_a_third_input(backend, tmp_path):
    """im_shape is the size of the image in the input, without its padding."""
    folder = write(tmp_path, KEEP_RATIO, WITH_IM_SHAPE, inputs=("image", "scale_factor", "im_shape"))
    expected([[0, 0, 200, 100]], Detector(folder, backend).detect(IMAGE))


@pytest.mark.parametrize(
    ("config", "largest"), [(FUSED, 250 / 0.75), (NOT_NORMALIZED, 250 / 0.75)], ids=["fused", "none"]
)
def test_pixels(backend, config, largest, tmp_path):
    """`fuse_normalize` leaves NormalizeImage out of the list; `norm_type: none` without is_scale does nothing."""
    folder = write(tmp_path, config, BRIGHTNESS.replace("LARGEST", str(largest)))
    expected(SCALED, Detector(folder, backend).detect(IMAGE))


def test_one_output(backend, tmp_path):
    """Some exports have no bbox_num."""
    body = NMS_INSIDE.replace(", int32[1] bbox_num", "").rpartition("\n")[0]
    folder = write(tmp_path, DEFAULT, body, inputs=("image", "scale_factor"))
    expected(SCALED, Detector(folder, backend).detect(IMAGE))


def test_a_row_that_stands_for_none(backend, tmp_path):
    body = NMS_INSIDE.replace("{1.0, 0.75}", "{-1.0, 0.0}")
    folder = write(tmp_path, DEFAULT, body, inputs=("image", "scale_factor"))
    assert len(Detector(folder, backend).detect(IMAGE, threshold=0.0)) == 0


@pytest.mark.parametrize("config_name", ["inference.yml", "infer_cfg.yml"])
def test_names_of_paddlex(backend, config_name, tmp_path):
    folder = write(
        tmp_path, PADDLEX, NMS_INSIDE, inputs=("image", "scale_factor"), name="inference", config_name=config_name
    )
    expected(SCALED, Detector(folder, backend).detect(IMAGE))


def test_each_model_has_the_config_of_its_name(backend, tmp_path):
    folder = write(tmp_path, DEFAULT, NMS_INSIDE, inputs=("image", "scale_factor"))
    shutil.copy(folder / "model.onnx", folder / "inference.onnx")
    (folder / "inference.yml").write_text(PADDLEX.replace("- dog", "- wolf"))
    assert Detector(folder / "model.onnx", backend).detect(IMAGE).names == ("dog",)
    assert Detector(folder / "inference.onnx", backend).detect(IMAGE).names == ("wolf",)


@pytest.mark.parametrize("arch", ["YOLO", "RCNN", "PPYOLOE", "HRNet"])
def test_other_architectures(arch, tmp_path):
    pytest.importorskip("onnxruntime")
    folder = write(tmp_path, DEFAULT.replace("GFL", arch), NMS_INSIDE, inputs=("image", "scale_factor"))
    with pytest.raises(
        DeployError, match=f"infer_cfg.yml: arch: found {arch}; expected PicoDet, or PaddleDetection's name for it, GFL"
    ):
        Detector(folder, "onnxruntime")

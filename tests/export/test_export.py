"""Every kind of exported model gives in every runtime what the trained model gives."""

from __future__ import annotations

import copy
import importlib.util
import sys
from pathlib import Path

import numpy as np
import paddle
import pytest
import yaml

from ppdet.core.errors import UserError
from ppdet.export.export import export
from ppdet.export.formats import EXPORT_FORMATS
from ppdet.export.graph import ExportModel
from ppdet.export.onnx_format import count_operators
from ppdet.modeling import PicoDet
from ppdet.session import Session
from ppdet.training.checkpoint import save_weights
from tests.golden import LCNET, Golden, relative_difference
from tests.support.detections import differences
from tests.support.tiny import CLASSES, make_run, write_config, write_dataset

VARIANTS = {
    "nms": [],
    "fused": ["export.fuse_conv_bn=true"],
    "boxes": ["export.nms=false"],
    "raw": ["export.post_process=false"],
    "benchmark": ["export.benchmark=true"],
    "4d": ["export.post_process=false", "export.layout=4d", "export.batch_size=3"],
    "input": ["export.boxes=input", "export.nms=false"],
    "normalized": ["export.boxes=normalized", "export.batch_size=3", "export.opset=17"],
}
ALL_FORMATS = ["paddle", "onnx", "openvino"]
RAW = ("raw", "benchmark", "4d")
CONTRASTS = (0.1, 0.5, 1)  # more, and these weights turn a change of 1e-6 into one of 1e-3
POINTS = (64, 16, 4, 1)  # of each level at 64 x 64
TOLERANCE = 1e-4


def make_weights(session: Session, path: Path) -> None:
    """Weights whose scores depend on the image and whose norms do something, so that fusing them must be right."""
    paddle.seed(0)
    model = session.build_model()
    for name, value in model.state_dict().items():
        if name.endswith(("norm.weight", "norm.bias")):
            value.set_value(value + paddle.uniform(value.shape, min=-0.3, max=0.3))
        elif name.startswith("head.head_cls") and name.endswith("weight"):
            value.set_value(paddle.randn(value.shape) * 0.3)
    for layer in model.sublayers():
        if isinstance(layer, paddle.nn.BatchNorm2D):
            layer._momentum = 0.0  # one batch decides the statistics
    model.train()
    model(paddle.randn([16, 3, 64, 64]) * paddle.linspace(0.1, 3, 16).reshape([16, 1, 1, 1]))
    save_weights(path, model, model.state_dict())


def make_images() -> np.ndarray:
    """[3, 3, 64, 64] float32."""
    noise = np.random.default_rng(0).standard_normal((3, 3, 64, 64))
    return (noise * np.reshape(CONTRASTS, (3, 1, 1, 1))).astype("float32")


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    write_dataset(folder)
    path = write_config(folder)
    make_weights(make_run(path), folder / "weights")
    with path.open("a") as file:
        file.write(f"weights: {folder}/weights.pdparams\n")
    return path


@pytest.fixture(scope="module")
def model(config) -> PicoDet:
    """The trained model; its score threshold lies between the scores of one of the images and the others'."""
    model = make_run(config).load_model()
    first, second, _ = sorted(best_scores(model, make_images()))
    assert second - first > 0.002
    model.head.nms.attrs["score_threshold"] = float(first + second) / 2
    return model


@pytest.fixture(scope="module")
def images(model) -> np.ndarray:
    """[3, 3, 64, 64] float32; the first image gets no detection."""
    images = make_images()
    return images[np.argsort(best_scores(model, images))]


def best_scores(model: PicoDet, images: np.ndarray) -> np.ndarray:
    with paddle.no_grad():
        scores, _ = model.head.decode(model(paddle.to_tensor(images)))
    return scores.max(axis=[1, 2]).numpy()


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def exported(config, variant, model) -> Path:
    names = f"export.format={','.join(formats())}"
    run = make_run(config, *VARIANTS[variant], threshold_of(model), f"filename={variant}", names)
    return export(run, config.parent / "exported")


def threshold_of(model: PicoDet) -> str:
    return f"PicoHeadV2.nms.score_threshold={model.head.nms.attrs['score_threshold']}"


def formats() -> list[str]:
    """Those whose packages are there."""
    return [name for name in ALL_FORMATS if all(map(importlib.util.find_spec, EXPORT_FORMATS[name].needs))]


def feed_of(variant: str, images: np.ndarray) -> list[np.ndarray]:
    scale_factor = np.array([[0.5, 0.4], [2, 1], [1.5, 0.7]], "float32")[: len(images)]
    return [images] if variant in (*RAW, "input", "normalized") else [images, scale_factor]


def outputs_of(model: PicoDet, variant: str, feed: list[np.ndarray]) -> list[np.ndarray]:
    """What the exported model should give, from the parts of the trained one."""
    tensors = [paddle.to_tensor(array) for array in feed]
    with paddle.no_grad():
        outputs = model(tensors[0])
        if variant in ("nms", "fused"):
            found = model.predict(outputs, tensors[1])
        elif variant == "normalized":
            scores, boxes = model.head.decode(outputs)
            found = model.head.nms(boxes / 64, scores)
        elif variant in ("boxes", "input"):
            scores, boxes = model.head.decode(outputs)
            found = [boxes / tensors[1].numpy()[:, None, [1, 0, 1, 0]] if variant == "boxes" else boxes, scores]
        elif variant == "4d":
            found = [*(x for levels in model.head.levels(model.neck(model.backbone(tensors[0]))) for x in levels)]
        else:
            found = [*outputs.cls.split(POINTS, axis=1), *outputs.reg.split(POINTS, axis=1)]
    return [tensor.numpy() for tensor in found]


@pytest.mark.parametrize("name", ALL_FORMATS)
@pytest.mark.parametrize("chosen", [[1], [2, 1, 0], [0, 2, 0], [0], [0, 0, 0]], ids=str)
def test_equals_the_trained_model(exported, model, variant, images, chosen, name):
    """Batches of one and three images; those of image 0 alone have no detection at all."""
    if name not in formats():
        pytest.skip(f"{name}: its packages are not installed")
    if len(chosen) == 1 and "export.batch_size=3" in VARIANTS[variant]:
        pytest.skip("this variant takes three images")
    feed = feed_of(variant, images[chosen])
    expected, found = outputs_of(model, variant, feed), EXPORT_FORMATS[name].run(exported, feed)
    assert [x.shape for x in found] == [x.shape for x in expected]
    assert [x.dtype for x in found] == [x.dtype for x in expected]
    assert differences(expected, found) <= TOLERANCE
    if variant in ("nms", "fused", "normalized"):
        bbox, bbox_num = found
        assert [n > 0 for n in bbox_num] == [i != 0 for i in chosen]
        assert bbox.shape == (bbox_num.sum(), 6)


def test_shapes_of_the_network_alone(exported, variant, images):
    """Published order: each level's scores, finest first, then each level's box distributions."""
    if variant not in ("raw", "benchmark"):
        pytest.skip("not the published outputs")
    shapes = [x.shape for x in EXPORT_FORMATS["paddle"].run(exported, [images])]
    assert shapes == [(3, n, len(CLASSES)) for n in POINTS] + [(3, n, 4 * 8) for n in POINTS]


def test_files(exported):
    program = "model.json" if paddle.__version__.startswith("3") else "model.pdmodel"
    names = {path.name for path in exported.iterdir()} - {"model.onnx", "model.xml", "model.bin"}
    assert {program, "model.pdiparams", "infer_cfg.yml"} <= names
    assert names <= {program, "model.pdiparams", "model.pdiparams.info", "infer_cfg.yml"}


def test_operators_for_small_devices(exported, variant):
    """None that converters for them do not know, with a fixed batch and without NMS."""
    if variant not in ("4d", "input") or "onnx" not in formats():
        pytest.skip("not for small devices")
    known = "Add Concat Conv GlobalAveragePool HardSigmoid HardSwish Mul ReduceSum Relu Reshape Resize Sigmoid Slice"
    names = set(count_operators(exported / "model.onnx"))
    assert names <= {*known.split(), "Softmax", "Sqrt", "Sub", "Transpose"}
    assert {"HardSwish", "Resize"} <= names


def test_images_of_any_size(config, tmp_path, model):
    run = make_run(config, threshold_of(model), "export.dynamic_size=true", f"export.format={','.join(formats())}")
    folder = export(run, tmp_path)
    assert yaml.safe_load((folder / "infer_cfg.yml").read_text())["use_dynamic_shape"] is True
    for shape in ((1, 3, 64, 96), (2, 3, 75, 33)):
        image = np.random.default_rng(0).standard_normal(shape).astype("float32")
        feed = [image, np.ones((len(image), 2), "float32")]
        expected = outputs_of(model, "nms", feed)
        for name in formats():
            assert differences(expected, EXPORT_FORMATS[name].run(folder, feed)) <= TOLERANCE, name


def test_infer_config(exported, variant):
    config = yaml.safe_load((exported / "infer_cfg.yml").read_text())
    assert [step.pop("type") for step in config["Preprocess"]] == ["Resize", "NormalizeImage", "Permute"]
    assert config["Preprocess"][0] == {"interp": 2, "target_size": [64, 64], "keep_ratio": False}
    assert config["label_list"] == list(CLASSES)
    assert config["NMS"] == {"name": "MultiClassNMS", "score_threshold": 0.3, "nms_threshold": 0.5,
                             "nms_top_k": 1000, "keep_top_k": 100}  # fmt: skip
    expected = {"mode": "paddle", "metric": "COCO", "fpn_stride": [8, 16, 32, 64]}
    assert expected.items() <= config.items()
    assert config["arch"] == ("PicoDet" if variant in RAW else "GFL")
    assert config["num_classes"] == len(CLASSES)


def test_infer_config_says_what_is_done(config, tmp_path):
    """Defaults written out, what the reader ignores left out, padding included."""
    steps = "[{Decode: {}}, {Resize: {target_size: [64, 64]}}, {NormalizeImage: {norm_type: mean_std}}, {Permute: {}}]"
    overrides = [
        f"TestReader.sample_transforms={steps}",
        "TestReader.batch_transforms=[{PadBatch: {pad_to_stride: 32}}]",
    ]
    folder = export(make_run(config, *overrides), tmp_path)
    resize, normalize, permute, pad = yaml.safe_load((folder / "infer_cfg.yml").read_text())["Preprocess"]
    assert normalize == {"type": "NormalizeImage", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225],
                         "is_scale": True}  # fmt: skip
    assert resize == {"type": "Resize", "interp": 1, "target_size": [64, 64], "keep_ratio": False}
    assert pad == {"type": "PadStride", "stride": 32}


def test_a_paddle_model_that_would_not_fit_any_more(config, tmp_path):
    folder = export(make_run(config), tmp_path)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UserError, match="tiny: its Paddle model was exported with other options"):
        export(make_run(config, "export.format=onnx", "export.boxes=input"), tmp_path)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    export(make_run(config, "export.format=onnx"), tmp_path)
    assert (folder / "model.onnx").is_file()


def test_without_images_the_check_says_noise(config, tmp_path, caplog):
    with caplog.at_level("INFO"):
        export(make_run(config), tmp_path)
        assert "on 2 images of EvalDataset" in caplog.text
        export(make_run(config, "EvalDataset.anno_path=nowhere.json"), tmp_path)
    assert "on 2 images of noise" in caplog.text


def test_exporting_again_replaces_everything(config, tmp_path, images):
    folder = export(make_run(config), tmp_path)
    # of another version of Paddle, the only one of the two that it would look for
    stale = folder / ("model.pdmodel" if (folder / "model.json").exists() else "model.json")
    stale.write_text("stale")
    export(make_run(config, "export.nms=false"), tmp_path)
    assert not stale.exists()
    assert len(EXPORT_FORMATS["paddle"].run(folder, feed_of("boxes", images))[0]) == 3
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_failure_keeps_the_older_export(config, tmp_path, monkeypatch):
    folder = export(make_run(config), tmp_path)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(paddle.jit, "save", full)
    with pytest.raises(UserError, match="tiny: cannot be written .No space left"):
        export(make_run(config), tmp_path)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_output_dir_that_cannot_be_written(config, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        export(make_run(config), tmp_path / "file")


def test_a_model_that_differs_is_not_written(config, tmp_path, monkeypatch):
    """The order of the detections is no difference; a score is."""

    original = EXPORT_FORMATS["paddle"]

    def disturb(shift):
        def run(folder, inputs):
            bbox, bbox_num = original.run(folder, inputs)
            first = bbox[: bbox_num[0]][::-1] + [0, shift, 0, 0, 0, 0]
            return [np.concatenate([first, bbox[bbox_num[0] :]]), bbox_num]

        monkeypatch.setitem(EXPORT_FORMATS, "paddle", original._replace(run=run))

    disturb(0)
    folder = export(make_run(config), tmp_path)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    disturb(0.01)
    with pytest.raises(UserError, match="not written, since paddle differ"):
        export(make_run(config, "export.nms=true"), tmp_path)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def change_nms(**attrs):
    return lambda model: model.head.nms.attrs.update(attrs)


def lose_a_class(model):
    for layer in model.head.head_cls:
        bias = layer.bias.numpy()
        bias[1] -= 20
        layer.bias.set_value(bias)


def shift_boxes(model):
    model.head.cell_offset += 0.01  # 0.6 pixels on the coarsest level


FAULTS = {
    "45 of 100 lost": change_nms(keep_top_k=55),
    "one more": change_nms(keep_top_k=101),
    "IoU": change_nms(nms_threshold=0.55),
    "score": change_nms(score_threshold=0.085),
    "class": lose_a_class,
    "boxes": shift_boxes,
}


@pytest.mark.parametrize("kind", FAULTS)
def test_faults_in_what_is_written(config, tmp_path, monkeypatch, kind):
    """The check knows none of them, and finds each in each format."""

    def planted(write):
        def faulty(graph, *args):
            model = copy.deepcopy(graph.model)
            FAULTS[kind](model)
            write(ExportModel(model, graph.settings), *args)

        return faulty

    least = 0 if kind in ("45 of 100 lost", "one more") else 0.08  # more than 100 boxes, or about a third of the points
    run = make_run(config, f"export.format={','.join(formats())}", f"PicoHeadV2.nms.score_threshold={least}")
    for name, each in list(EXPORT_FORMATS.items()):
        monkeypatch.setitem(EXPORT_FORMATS, name, each._replace(write=planted(each.write)))
    with pytest.raises(UserError, match=f"not written, since {' and '.join(formats())} differ"):
        export(run, tmp_path)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("export.format=paddle,tflite", "export.format: found 'tflite'; expected some of paddle, onnx, openvino"),
        ("export.input_dtype=uint8", "export.input_dtype: found uint8, which is for pixels; set export.fuse_normalize"),
        ("export.batch_size=0", "export.batch_size: found 0; expected -1"),
        (
            "export.dynamic_size=true export.boxes=normalized",
            "export.boxes: found normalized, which needs a fixed size",
        ),
        ("export.opset=9", "export.opset: expected at least 13, found 9"),
        ("export.layout=5d", "export.layout: expected"),
    ],
)
def test_settings_that_do_not_fit(config, tmp_path, override, message):
    with pytest.raises(UserError) as error:
        export(make_run(config, *override.split()), tmp_path)
    assert str(error.value).startswith(message)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("module_name", ["onnx", "paddle2onnx"])
def test_packages_that_are_missing(config, tmp_path, monkeypatch, module_name):
    monkeypatch.setitem(sys.modules, module_name, None)
    with pytest.raises(UserError, match=rf"^export.format: onnx needs {module_name} .*; pip install ") as error:
        export(make_run(config, "export.format=onnx"), tmp_path)
    line = paddle.__version__.split(".")[0]
    assert {"onnx": ".[deploy]", "paddle2onnx": {"2": "==1.3.1", "3": "==2.1.0"}[line]}[module_name] in str(error.value)


def test_sizes_that_disagree_are_refused(tmp_path):
    path = write_config(tmp_path)
    with pytest.raises(UserError, match=r"image_shape: found \[1, 3, 320, 320\], but TestReader's Resize gives"):
        export(make_run(path, "TestReader.inputs_def.image_shape=[1, 3, 320, 320]"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_network_alone_gives_the_published_outputs(shared, tmp_path):
    golden = Golden(shared, LCNET[0])
    paddle.save(golden.weights(), str(tmp_path / "golden.pdparams"))
    path = write_config(tmp_path)  # without a dataset: names by number, checked on noise
    overrides = ["num_classes=80", "export.post_process=false", f"weights={tmp_path / 'golden.pdparams'}",
                 "TestReader.inputs_def.image_shape=[1, 3, 320, 320]",
                 "TestReader.sample_transforms.1.Resize.target_size=[320, 320]"]  # fmt: skip
    folder = export(make_run(path, *overrides), tmp_path)
    found = EXPORT_FORMATS["paddle"].run(folder, [golden.image().numpy()])
    for i in range(4):
        for kind, output in (("cls", found[i]), ("reg", found[4 + i])):
            expected = golden.arrays[f"raw_{kind}{i}_sample"]
            assert relative_difference(output.reshape(-1)[:4000], expected) < TOLERANCE

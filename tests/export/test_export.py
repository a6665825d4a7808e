"""Every kind of exported model gives in every runtime what the trained model gives."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import paddle
import pytest
import yaml

from ppdet.core.errors import UserError
from ppdet.deploy.backends.base import keep_outputs
from ppdet.deploy.backends.runtimes import OnnxRuntime, OpenVino, PaddleInference
from ppdet.export.export import export
from ppdet.export.formats import EXPORT_FORMATS
from ppdet.export.onnx_format import count_operators
from ppdet.modeling import PicoDet
from tests.golden import LCNET, Golden, relative_difference
from tests.support.detections import differences
from tests.support.tiny import CLASSES, make_run, write_config
from tests.support.trained import installed_formats, write_trained_config

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
RUNTIMES = {"paddle": PaddleInference, "onnx": OnnxRuntime, "openvino": OpenVino}
Run = Callable[[list[np.ndarray]], list[np.ndarray]]
RAW = ("raw", "benchmark", "4d")
CONTRASTS = (0.1, 0.5, 1)  # more, and these weights turn a change of 1e-6 into one of 1e-3
POINTS = (64, 16, 4, 1)  # of each level at 64 x 64
TOLERANCE = 1e-4


def make_images() -> np.ndarray:
    """[3, 3, 64, 64] float32."""
    noise = np.random.default_rng(0).standard_normal((3, 3, 64, 64))
    return (noise * np.reshape(CONTRASTS, (3, 1, 1, 1))).astype("float32")


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    return write_trained_config(tmp_path_factory.mktemp("export"))


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


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow if name in ("benchmark", "input") else ()) for name in VARIANTS],
)
def variant(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def exported(config, variant, model) -> Path:
    names = f"export.format={','.join(installed_formats())}"
    run = make_run(config, *VARIANTS[variant], threshold_of(model), f"filename={variant}", names)
    return export(run, config.parent / "exported")


@pytest.fixture(scope="module")
def runner(exported) -> Callable[[str], Run]:
    """Gives the model in a format, which is loaded once."""
    return functools.cache(lambda name: load(exported, name))


def load(folder: Path, name: str) -> Run:
    run = keep_outputs(RUNTIMES[name](EXPORT_FORMATS[name].model_file(folder), 1).run)
    return lambda feed: run(dict(zip(("image", "scale_factor"), feed, strict=False)))


def threshold_of(model: PicoDet) -> str:
    return f"PicoHeadV2.nms.score_threshold={model.head.nms.attrs['score_threshold']}"


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


@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize("chosen", [[1], [2, 1, 0], [0, 2, 0], [0], [0, 0, 0]], ids=str)
def test_equals_the_trained_model(runner, model, variant, images, chosen, name):
    """Batches of one and three images; those of image 0 alone have no detection at all."""
    if name not in installed_formats():
        pytest.skip(f"{name}: its packages are not installed")
    if len(chosen) == 1 and "export.batch_size=3" in VARIANTS[variant]:
        pytest.skip("this variant takes three images")
    feed = feed_of(variant, images[chosen])
    expected, found = outputs_of(model, variant, feed), runner(name)(feed)
    assert [x.shape for x in found] == [x.shape for x in expected]
    assert [x.dtype for x in found] == [x.dtype for x in expected]
    assert differences(expected, found) <= TOLERANCE
    if variant in ("nms", "fused", "normalized"):
        bbox, bbox_num = found
        assert [n > 0 for n in bbox_num] == [i != 0 for i in chosen]
        assert bbox.shape == (bbox_num.sum(), 6)


def test_shapes_of_the_network_alone(runner, variant, images):
    """Published order: each level's scores, finest first, then each level's box distributions."""
    if variant not in ("raw", "benchmark"):
        pytest.skip("not the published outputs")
    shapes = [x.shape for x in runner("paddle")([images])]
    assert shapes == [(3, n, len(CLASSES)) for n in POINTS] + [(3, n, 4 * 8) for n in POINTS]


def test_files(exported):
    program = "model.json" if paddle.__version__.startswith("3") else "model.pdmodel"
    names = {path.name for path in exported.iterdir()} - {"model.onnx", "model.xml", "model.bin"}
    assert {program, "model.pdiparams", "infer_cfg.yml"} <= names
    assert names <= {program, "model.pdiparams", "model.pdiparams.info", "infer_cfg.yml"}


def test_operators_for_small_devices(exported, variant):
    """None that converters for them do not know, with a fixed batch and without NMS."""
    if variant not in ("4d", "input") or "onnx" not in installed_formats():
        pytest.skip("not for small devices")
    known = "Add Concat Conv GlobalAveragePool HardSigmoid HardSwish Mul ReduceSum Relu Reshape Resize Sigmoid Slice"
    names = set(count_operators(exported / "model.onnx"))
    assert names <= {*known.split(), "Softmax", "Sqrt", "Sub", "Transpose"}
    assert {"HardSwish", "Resize"} <= names


def test_images_of_any_size(config, tmp_path, model):
    overrides = ["export.dynamic_size=true", f"export.format={','.join(installed_formats())}"]
    folder = export(make_run(config, threshold_of(model), *overrides), tmp_path)
    assert yaml.safe_load((folder / "infer_cfg.yml").read_text())["use_dynamic_shape"] is True
    runs = {name: load(folder, name) for name in installed_formats()}
    for shape in ((1, 3, 64, 96), (2, 3, 75, 33)):
        image = np.random.default_rng(0).standard_normal(shape).astype("float32")
        feed = [image, np.ones((len(image), 2), "float32")]
        expected = outputs_of(model, "nms", feed)
        for name, run in runs.items():
            assert differences(expected, run(feed)) <= TOLERANCE, name


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


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("export.format=paddle,coreml", "export.format: found 'coreml'; expected some of paddle, onnx, openvino"),
        ("export.input_dtype=uint8", "export.input_dtype: found uint8, which is for pixels; set export.fuse_normalize"),
        ("export.opset=9", "export.opset: expected at least 13, found 9"),
        ("export.layout=5d", "export.layout: expected"),
    ],
)
def test_settings_that_do_not_fit(config, tmp_path, override, message):
    with pytest.raises(UserError) as error:
        export(make_run(config, override), tmp_path)
    assert str(error.value).startswith(message)
    assert not list(tmp_path.iterdir())


def test_sizes_that_disagree_are_refused(tmp_path):
    path = write_config(tmp_path)
    with pytest.raises(UserError, match=r"image_shape: found \[1, 3, 320, 320\], but TestReader's Resize gives"):
        export(make_run(path, "TestReader.inputs_def.image_shape=[1, 3, 320, 320]"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_network_alone_gives_the_published_outputs(shared, tmp_path):
    golden = Golden(shared, LCNET[0])
    paddle.save(golden.weights(), str(tmp_path / "golden.pdparams"))
    path = write_config(tmp_path)  # without a dataset: names by number, checked on noise
    overrides = [
        "num_classes=80",
        "export.post_process=false",
        f"weights={tmp_path / 'golden.pdparams'}",
        "TestReader.inputs_def.image_shape=[1, 3, 320, 320]",
        "TestReader.sample_transforms.1.Resize.target_size=[320, 320]",
    ]
    folder = export(make_run(path, *overrides), tmp_path)
    found = EXPORT_FORMATS["paddle"].run(folder, [golden.image().numpy()])
    for i in range(4):
        for kind, output in (("cls", found[i]), ("reg", found[4 + i])):
            expected = golden.arrays[f"raw_{kind}{i}_sample"]
            assert relative_difference(output.reshape(-1)[:4000], expected) < TOLERANCE

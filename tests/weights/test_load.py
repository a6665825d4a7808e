"""Weight files: what loads, into what, and what is refused with which message."""

from __future__ import annotations

import json
import logging
import pickle
from pathlib import Path

import numpy as np
import paddle
import pytest

from ppdet.catalog import load_classes
from ppdet.core.builder import Builder
from ppdet.core.config import load_config
from ppdet.core.errors import UserError
from ppdet.modeling import PicoDet, build_model
from ppdet.training.checkpoint import save_weights
from ppdet.utils.weight_files import read_arrays
from ppdet.weights.load import load_pretrained, load_weights
from ppdet.weights.published_names import published_name, to_published
from tests.golden import CONFIGS

load_classes()

XS = CONFIGS / "picodet_xs_320_coco_lcnet.yml"
ESNET = CONFIGS / "legacy_model" / "picodet_s_320_coco.yml"  # shares one convolution between classes and boxes
SEPARATE = "PicoHead.conv_feat.share_cls_reg=false"


def make_model(config: Path = XS, *overrides: str) -> PicoDet:
    return build_model(Builder(load_config(config, overrides)))


def arrays_of(model: PicoDet) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in model.state_dict().items()}


@pytest.fixture(scope="module")
def trained() -> PicoDet:
    """An XS detector whose tensors differ from every fresh one's."""
    model = make_model()
    for i, value in enumerate(model.state_dict().values()):
        value.set_value(paddle.full(value.shape, 0.01 * i + 0.5))
    return model


@pytest.fixture
def file(tmp_path: Path, trained: PicoDet) -> Path:
    save_weights(tmp_path / "trained", trained, trained.state_dict())
    return tmp_path / "trained.pdparams"


@pytest.mark.parametrize("config", [XS, ESNET], ids=["lcnet", "esnet"])
@pytest.mark.parametrize("load", [load_weights, load_pretrained])
def test_round_trip(tmp_path, config, load):
    model, other = make_model(config), make_model(config)
    save_weights(tmp_path / "weights", model, model.state_dict())
    load(other, tmp_path / "weights.pdparams")
    np.testing.assert_equal(arrays_of(other), arrays_of(model))


@pytest.mark.parametrize(
    ("config", "name"), [(XS, "picodet_xs_320_coco_lcnet"), (ESNET, "picodet_s_320_coco_esnet")], ids=["lcnet", "esnet"]
)
def test_published_files(shared, config, name):
    file = shared / "weights" / f"{name}.pdparams"
    model = make_model(config)
    load_weights(model, file)
    published = read_arrays(file)
    for ours, value in arrays_of(model).items():
        np.testing.assert_array_equal(value, published[published_name(ours)])


def test_aliases_alone_are_enough(tmp_path, trained):
    content = {
        name: value
        for name, value in to_published(trained, arrays_of(trained)).items()
        if not name.startswith(("head.head_cls0", "head.head_reg0"))
    }
    paddle.save(content, str(tmp_path / "weights.pdparams"))
    model = make_model()
    load_weights(model, tmp_path / "weights.pdparams")
    np.testing.assert_equal(arrays_of(model), arrays_of(trained))


@pytest.mark.parametrize("config", [XS, ESNET], ids=["lcnet", "esnet"])
def test_imagenet_backbone(tmp_path, caplog, config):
    source, model = make_model(config), make_model(config)
    before = arrays_of(model)
    content = {
        published_name(f"backbone.{name}").removeprefix("backbone."): value.numpy()
        for name, value in source.backbone.state_dict().items()
    }
    content |= {"fc.weight": np.zeros((8, 1000), "float32"), "fc.bias": np.zeros(1000, "float32")}
    paddle.save(content, str(tmp_path / "imagenet.pdparams"))
    with caplog.at_level(logging.INFO):
        load_pretrained(model, tmp_path / "imagenet.pdparams")
    assert f"loaded the backbone, {len(content) - 2} tensors; 2 of the file not used" in caplog.text
    for name, value in arrays_of(model).items():
        expected = source.state_dict()[name].numpy() if name.startswith("backbone.") else before[name]
        np.testing.assert_array_equal(value, expected, name)


@pytest.mark.parametrize(
    ("config", "options"), [(XS, []), (ESNET, []), (ESNET, [SEPARATE])], ids=["eta", "legacy shared", "legacy separate"]
)
def test_other_number_of_classes(tmp_path, caplog, config, options):
    """Training starts with everything but the layers that predict classes; evaluation refuses such a file."""
    source, model = make_model(config, *options), make_model(config, "num_classes=3", *options)
    save_weights(tmp_path / "coco", source, source.state_dict())
    before = arrays_of(model)
    with caplog.at_level(logging.INFO):
        load_pretrained(model, tmp_path / "coco.pdparams")
    untrained = {name for name in before if name.startswith("head.head_cls.")}
    assert f"the {len(untrained)} of the classification layers start untrained" in caplog.text
    for name, value in arrays_of(model).items():
        expected = before[name] if name in untrained else source.state_dict()[name].numpy()
        np.testing.assert_array_equal(value, expected, name)
    with pytest.raises(UserError, match=r"coco\.pdparams: .*head\.head_cls0\.weight \[.*\] instead of .*num_classes"):
        load_weights(model, tmp_path / "coco.pdparams")


@pytest.mark.parametrize("load", [load_weights, load_pretrained])
@pytest.mark.parametrize("config", [CONFIGS / "picodet_s_320_coco_lcnet.yml", ESNET], ids=["wider", "other backbone"])
def test_another_model(file, load, config):
    model = make_model(config)
    before = arrays_of(model)
    with pytest.raises(UserError, match=r"trained\.pdparams: .* (missing|instead of) .*and \d+ more") as error:
        load(model, file)
    assert "\n" not in str(error.value)
    np.testing.assert_equal(arrays_of(model), before)  # nothing was loaded halfway


def test_one_missing_tensor_is_named(tmp_path, trained):
    content = to_published(trained, arrays_of(trained))
    del content["neck.conv_t.convs.0.bn.weight"]
    paddle.save(content, str(tmp_path / "weights.pdparams"))
    for load in (load_weights, load_pretrained):
        with pytest.raises(UserError, match=r"neck\.conv_t\.convs\.0\.bn\.weight missing"):
            load(make_model(), tmp_path / "weights.pdparams")


@pytest.mark.parametrize("content", [b"", b"weights", b"<html>404</html>" * 99, b"\x89PNG\r\n\x1a\n" + bytes(99)])
def test_no_weight_file(tmp_path, content):
    (tmp_path / "weights.pdparams").write_bytes(content)
    with pytest.raises(UserError, match=r"weights\.pdparams: not a Paddle weight file or cut short"):
        read_arrays(tmp_path / "weights.pdparams")


@pytest.mark.parametrize("kept", [1, 100, 5000, -1000, -1])
def test_file_cut_short(file, kept):
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"trained\.pdparams: not a Paddle weight file or cut short"):
        read_arrays(file)


def test_missing_file_and_other_content(tmp_path):
    for path in (tmp_path / "weights.pdparams", tmp_path):
        with pytest.raises(UserError, match="there is no such weight file"):
            read_arrays(path)
    paddle.save([paddle.zeros([1])], str(tmp_path / "list.pdparams"))
    with pytest.raises(UserError, match=r"list\.pdparams: expected a state dict, found list"):
        read_arrays(tmp_path / "list.pdparams")


def test_entries_that_are_no_weights_are_ignored(tmp_path, trained):
    content = to_published(trained, arrays_of(trained))
    content |= {"last_epoch": 3, "LR_Scheduler": {"last_lr": 0.1}, "conv2d_0.w_0_velocity_0": np.ones(3), "note": "x"}
    paddle.save(content, str(tmp_path / "weights.pdparams"))
    for load in (load_weights, load_pretrained):
        model = make_model()
        load(model, tmp_path / "weights.pdparams")
        np.testing.assert_equal(arrays_of(model), arrays_of(trained))


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_precisions_are_cast(tmp_path, trained, dtype):
    content = {name: value.astype(dtype) for name, value in to_published(trained, arrays_of(trained)).items()}
    paddle.save(content, str(tmp_path / "weights.pdparams"))
    model = make_model()
    load_weights(model, tmp_path / "weights.pdparams")
    for name, value in arrays_of(model).items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, trained.state_dict()[name].numpy().astype(dtype).astype("float32"), name)


def test_bfloat16_is_read_by_its_bits(tmp_path, trained):
    """Paddle writes it as uint16."""
    expected = {
        name: paddle.to_tensor(value).astype("bfloat16").astype("float32").numpy()
        for name, value in arrays_of(trained).items()
    }
    paddle.save(
        {
            name: paddle.to_tensor(value).astype("bfloat16")
            for name, value in to_published(trained, arrays_of(trained)).items()
        },
        str(tmp_path / "weights.pdparams"),
    )
    model = make_model()
    load_weights(model, tmp_path / "weights.pdparams")
    np.testing.assert_equal(arrays_of(model), expected)


@pytest.mark.parametrize("load", [load_weights, load_pretrained])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_are_not_finite(tmp_path, trained, load, value):
    content = to_published(trained, arrays_of(trained))
    content["neck.conv_t.convs.0.bn.weight"] = np.full_like(content["neck.conv_t.convs.0.bn.weight"], value, "float64")
    paddle.save(content, str(tmp_path / "weights.pdparams"))
    model = make_model()
    before = arrays_of(model)
    with pytest.raises(UserError, match=r"weights\.pdparams: neck\.conv_t\.convs\.0\.bn\.weight holds NaN or infinite"):
        load(model, tmp_path / "weights.pdparams")
    np.testing.assert_equal(arrays_of(model), before)


def test_negative_variances(tmp_path, trained):
    content = to_published(trained, arrays_of(trained))
    content["neck.conv_t.convs.0.bn._variance"] = -content["neck.conv_t.convs.0.bn._variance"]
    paddle.save(content, str(tmp_path / "weights.pdparams"))
    with pytest.raises(UserError, match=r"neck\.conv_t\.convs\.0\.bn\._variance holds negative variances; take an"):
        load_weights(make_model(), tmp_path / "weights.pdparams")


def test_values_that_are_no_weights(tmp_path, trained):
    content = to_published(trained, arrays_of(trained))
    content["neck.conv_t.convs.0.bn.weight"] = content["neck.conv_t.convs.0.bn.weight"].astype("int32")
    paddle.save(content, str(tmp_path / "weights.pdparams"))
    with pytest.raises(UserError, match=r"convs\.0\.bn\.weight int32 instead of floating-point"):
        load_weights(make_model(), tmp_path / "weights.pdparams")


@pytest.mark.parametrize("load", [load_weights, load_pretrained])
def test_files_that_want_to_run_something(tmp_path, load):
    class Touch:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    (tmp_path / "evil.pdparams").write_bytes(pickle.dumps({"a": Touch()}, 2))
    with pytest.raises(UserError, match=r"evil\.pdparams: refused: it wants to call \w+\.open, which no weights file"):
        load(make_model(), tmp_path / "evil.pdparams")
    assert not (tmp_path / "ran").exists()


def test_names_that_are_no_text(tmp_path):
    (tmp_path / "odd.pdparams").write_bytes(pickle.dumps({1: np.ones(3), "a": 2}))
    with pytest.raises(UserError, match=r"odd\.pdparams: refused: it has a key of type int, where names"):
        read_arrays(tmp_path / "odd.pdparams")


@pytest.mark.parametrize("suffix", [".pdiparams", ".onnx", ".pdmodel"])
def test_exported_models(tmp_path, suffix):
    (tmp_path / f"model{suffix}").write_bytes(bytes(100))
    with pytest.raises(UserError, match="an exported model; give the .pdparams it was made of"):
        read_arrays(tmp_path / f"model{suffix}")


SAFETENSORS = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}


@pytest.mark.parametrize("dtype", SAFETENSORS)
def test_safetensors(tmp_path, trained, dtype):
    pytest.importorskip("safetensors")
    file, arrays = tmp_path / "weights.safetensors", to_published(trained, arrays_of(trained))
    header, data = {}, b""
    for name, value in arrays.items():
        stored = paddle.to_tensor(value).astype(dtype).numpy()
        offsets = [len(data), len(data) + stored.nbytes]
        header[name] = {"dtype": SAFETENSORS[dtype], "shape": stored.shape, "data_offsets": offsets}
        data += stored.tobytes()
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + data)
    for load in (load_weights, load_pretrained):
        model = make_model()
        load(model, file)
        expected = {
            name: paddle.to_tensor(value).astype(dtype).astype("float32").numpy()
            for name, value in arrays_of(trained).items()
        }
        np.testing.assert_equal(arrays_of(model), expected)
    with pytest.raises(UserError, match=r"weights\.safetensors: these are weights of another model: .*instead of"):
        load_weights(make_model(XS, "num_classes=3"), file)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"weights\.safetensors: not a weight file or cut short"):
        read_arrays(file)


@pytest.mark.parametrize("load", [load_weights, load_pretrained])
def test_weights_without_the_one_to_one_branch(file, caplog, load):
    caplog.set_level(logging.INFO)
    model, fresh = (make_model(XS, "PicoDet.head=PicoHeadE2E") for _ in range(2))
    load(model, file)
    assert f"{file}: has no one-to-one branch; the model's stays untrained" in caplog.messages
    found, expected = arrays_of(model), read_arrays(file)
    for name, value in found.items():
        theirs = arrays_of(fresh)[name] if ".one_to_one." in name else expected[published_name(name)]
        assert value.shape == theirs.shape
        if ".one_to_one." not in name or name.endswith((".bias", "logits.weight", "_mean", "_variance")):
            np.testing.assert_array_equal(value, theirs, err_msg=name)


@pytest.mark.parametrize("load", [load_weights, load_pretrained])
def test_weights_with_the_branch_fit_the_head_with_nms(tmp_path, caplog, load):
    branched, plain = make_model(XS, "PicoDet.head=PicoHeadE2E"), make_model()
    for value in branched.state_dict().values():
        value.set_value(paddle.rand(value.shape))
    save_weights(tmp_path / "branched", branched, branched.state_dict())
    load(plain, tmp_path / "branched.pdparams")
    ours = arrays_of(branched)
    for name, value in arrays_of(plain).items():
        np.testing.assert_array_equal(value, ours[name], err_msg=name)
    again = make_model(XS, "PicoDet.head=PicoHeadE2E")
    load(again, tmp_path / "branched.pdparams")
    for name, value in arrays_of(again).items():
        np.testing.assert_array_equal(value, ours[name], err_msg=name)
    assert "untrained" not in caplog.text


def test_half_a_branch_is_refused(tmp_path):
    model = make_model(XS, "PicoDet.head=PicoHeadE2E")
    arrays = to_published(model, arrays_of(model))
    del arrays["head.one_to_one.2.logits.weight"]
    (tmp_path / "half.pdparams").write_bytes(pickle.dumps(arrays))
    with pytest.raises(UserError, match=r"another model: head\.one_to_one\.2\.logits\.weight missing"):
        load_weights(model, tmp_path / "half.pdparams")


def test_another_number_of_classes_with_the_branch(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    branched = make_model(XS, "PicoDet.head=PicoHeadE2E")
    save_weights(tmp_path / "branched", branched, branched.state_dict())
    load_pretrained(make_model(XS, "PicoDet.head=PicoHeadE2E", "num_classes=3"), tmp_path / "branched.pdparams")
    assert "the 16 of the classification layers start untrained" in caplog.text

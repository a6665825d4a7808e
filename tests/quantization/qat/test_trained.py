"""INT8 files of weights with fake quantization compute what the trained network computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest

from ppdet.core.errors import UserError
from ppdet.deploy.backends.runtimes import OnnxRuntime
from ppdet.export.export import export
from ppdet.export.image_input import ImageInput
from ppdet.quantization.network import Network
from ppdet.quantization.plan import Plan
from ppdet.quantization.post_training import model_to_write
from ppdet.quantization.qat.layout import trained_plan
from ppdet.quantization.qat.match import layer_names
from ppdet.quantization.qat.trained import load_fake_quant, plan_of_weights
from ppdet.quantization.qdq import qdq_model
from ppdet.quantization.targets import TARGETS
from ppdet.session import Session
from tests.quantization.qat.conftest import write_start
from tests.support.tiny import make_run

onnx = pytest.importorskip("onnx")


def session_of(config: Path, *overrides: str) -> Session:
    return make_run(config, f"weights={config.with_name('int8_start.pdparams')}", "export.nms=false", *overrides)


def exported(session: Session, folder: Path) -> tuple[Network, Plan]:
    file = export(session, folder) / "model.onnx"
    network = Network.of(onnx.load(str(file)))
    plan = plan_of_weights(session, network)
    assert plan
    return network, plan


def test_every_integer_of_the_file_is_that_of_the_network(config, tmp_path):
    network = check_equal(config, tmp_path)
    with pytest.raises(UserError, match=r"^Conv.*: no layer of the model has the weights of this convolution of 8 x 3"):
        layer_names(network.convs, make_run(config).build_model())


XS = "picodet_xs_320_coco_lcnet.yml"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("base", "target"),
    [
        ("picodet_s_416_coco_npu.yml", "onnxruntime"),
        ("legacy_model/picodet_s_320_coco.yml", "onnxruntime"),
        (XS, "generic"),
        (XS, "rknn"),
        (XS, "mnn"),
    ],
)
def test_other_models_and_targets(tmp_path, base, target):
    """The NPU variant with relu6, and ESNet; targets with one scale for a tensor."""
    check_equal(write_start(tmp_path, base, target), tmp_path / "out")


def check_equal(config: Path, folder: Path) -> Network:
    """Asserts that the INT8 file of the weights computes what the network does; returns the float graph."""
    session = session_of(config, "export.format=onnx")
    network, plan = exported(session, folder)
    assert plan.convs.keys() == network.convs.keys()
    model = load_fake_quant(session)
    assert model
    image = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype("float32")
    feed = {"image": image, "scale_factor": np.ones((2, 2), np.float32)}
    written = qdq_model(*model_to_write(network, plan)).SerializeToString()
    expected_boxes, expected_scores = OnnxRuntime(written, 1).run(feed)
    boxes, scores = model.decode(model(paddle.to_tensor(image)), paddle.ones([2, 2]))
    # one integer that differs would change many others, and these by a thousand times as much
    differ = np.abs(scores.numpy() - expected_scores).max(1) > 1e-5
    differ |= np.abs(boxes.numpy() - expected_boxes).max(2) > 1e-3
    # Floats that convolutions write are divided by two scales in turn in the file, so that one in a million is rounded
    # to the next integer. It may change all points of its image, but hardly those of the other image.
    assert differ.mean() <= (0 if plan.rules.outputs else 0.5)
    return network


def test_the_plan_of_an_export_that_takes_pixels(config, tmp_path):
    """The division by the standard deviation is in the weights and the channel scales; the integers stay."""
    session = session_of(config, "export.format=onnx", "export.fuse_normalize=true")
    network, plan = exported(session, tmp_path)
    model = load_fake_quant(session)
    assert model
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64)).astype("float32")
    image = ImageInput.of(session).to_network(pixels)
    feed = {"image": pixels, "scale_factor": np.ones((2, 2), np.float32)}
    expected_boxes, expected_scores = OnnxRuntime(qdq_model(network.model, plan).SerializeToString(), 1).run(feed)
    boxes, scores = model.decode(model(paddle.to_tensor(image)), paddle.ones([2, 2]))
    # pixels are exact numbers: where one lies in the middle between two integers, either may be taken
    assert (np.abs(scores.numpy() - expected_scores) > 0.05).mean() < 0.01


def test_a_trained_bias_of_a_channel_without_weights_fits_into_32_bits(config):
    model = load_fake_quant(session_of(config))
    assert model
    name = next(iter(model.fake_quant.layout.convs))
    above = dict(model.named_sublayers())[name.rpartition(".")[0]]
    options = (TARGETS["onnxruntime"], {"node": ("x", "y")}, {"node": name})
    before = trained_plan(model, *options).convs["node"]
    steps = model.fake_quant.weights[0].first_steps
    steps.set_value(np.where(np.arange(len(before.bias)) == 1, 1e-30, steps.numpy()).astype("float32"))
    weight = above.conv.weight.numpy()
    weight[1] = 0
    above.conv.weight.set_value(weight)
    above.norm.bias.set_value(above.norm.bias + 0.5)
    plan = trained_plan(model, *options)
    after = plan.convs["node"]
    bias = after.bias / (after.weight_scales * np.float32(plan.tensors["x"].scale))
    assert abs(bias[1]) == pytest.approx(2**30, rel=1e-5)
    assert not after.weight[1].any()
    np.testing.assert_array_equal(np.delete(after.weight, 1, 0), np.delete(before.weight, 1, 0))

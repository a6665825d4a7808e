"""Ranges of channels over images."""

from __future__ import annotations

import numpy as np
import pytest

from ppdet.quantization.network import Network
from ppdet.quantization.ranges import ChannelRange, channel_ranges, observed, widened, without_dead_part
from tests.support.small_onnx import CONVS, images, small_model

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def test_convolutions_of_a_graph():
    network = Network.of(small_model())
    assert tuple(network.convs) == CONVS
    stem = network.convs["stem"]
    assert (stem.input, stem.output, stem.channels, stem.attributes["strides"]) == ("image", "x", 3, [2, 2])
    assert not stem.bias.any()
    assert [node.name for node in network.readers["x"]] == ["", "boxes_conv", "scores_conv"]


def test_ranges_hold_the_values_of_all_images():
    network, feeds = Network.of(small_model()), images(4)
    found = channel_ranges(network, feeds, threads=1)
    assert set(found) == {"image", "x", "mean", "unused", "b0", "s0"}
    values = np.concatenate([feed["image"] for feed in feeds])
    np.testing.assert_array_equal(found["image"].low, values.min(axis=(0, 2, 3)))
    stems = np.concatenate([value["x"] for value in observed(network.model, ["x"], feeds, threads=1)])
    np.testing.assert_array_equal(found["x"].high, stems.max(axis=(0, 2, 3)))


@pytest.mark.parametrize(
    ("operator", "bounds"), [("HardSwish", (-3, 9)), ("Clip", (0, 6)), ("Relu", (0, 9)), ("Sigmoid", (-9, 9))]
)
def test_no_integers_are_spent_on_what_the_reader_cuts_off(operator, bounds):
    from onnx import helper, numpy_helper

    limits = {"low": np.float32(0), "high": np.float32(6)} if operator == "Clip" else {}
    ends = [[helper.make_tensor_value_info(name, 1, [1, 1, 2, 2])] for name in "xy"]
    nodes = [helper.make_node(operator, ["x", *limits], ["y"])]
    constants = [numpy_helper.from_array(np.array(value), name) for name, value in limits.items()]
    network = Network.of(helper.make_model(helper.make_graph(nodes, "one", *ends, constants)))
    found = without_dead_part(network, "x", ChannelRange(np.array([-9], np.float32), np.array([9], np.float32)))
    assert (found.low.item(), found.high.item()) == bounds
    unread = without_dead_part(network, "y", found)
    assert (unread.low.item(), unread.high.item()) == bounds


@pytest.mark.parametrize(("gate", "lows"), [(["x", "c"], [-1.5, -0.5]), (["b", "c"], [-9, -9])])
def test_a_hard_swish_of_scaled_channels_is_closed_below(gate, lows):
    """x * clip(slope * x + 3, 0, 6) with the slopes 2 and 6; not if something else is multiplied."""
    from onnx import helper, numpy_helper

    arrays = {"slope": np.reshape([2, 6], (2, 1, 1, 1)), "three": [3, 3], "low": 0, "high": 6, "b": 1}
    ends = [[helper.make_tensor_value_info(name, 1, [1, 2, 2, 2])] for name in "xy"]
    nodes = [
        helper.make_node("Conv", ["x", "slope", "three"], ["linear"], "linear", group=2),
        helper.make_node("Clip", ["linear", "low", "high"], ["c"]),
        helper.make_node("Mul", gate, ["y"]),
    ]
    constants = [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in arrays.items()]
    network = Network.of(helper.make_model(helper.make_graph(nodes, "gated", *ends, constants)))
    nine = np.full(2, 9, np.float32)
    found = without_dead_part(network, "x", ChannelRange(-nine, nine))
    assert (found.low.tolist(), found.high.tolist()) == (lows, [9, 9])


def test_a_range_has_room_for_other_images():
    """The channels reach 2 and 6, 4 on average, and always 0 and 1: a quarter of 2 is added, and nothing."""
    seen = [ChannelRange(np.array([-high, 0], np.float32), np.array([high, 1], np.float32)) for high in (2, 6)]
    found = widened(seen)
    assert (found.low.tolist(), found.high.tolist()) == ([-6.5, 0], [6.5, 1])

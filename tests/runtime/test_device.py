"""Choosing devices, with a stand-in for the plug-in of an accelerator that this machine does not have."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import paddle
import pytest
from paddle.base import core, framework

from ppdet.core.errors import UserError
from ppdet.core.settings import Settings
from ppdet.modeling import nms
from ppdet.runtime import device
from ppdet.runtime import operator_support as kernels

GPUS = ["gpu:0", "gpu:1", "cpu"]
CARDS = ["iluvatar_gpu:0", "iluvatar_gpu:1", "cpu"]


def settings(**keys: Any) -> Settings:
    return Settings(architecture="PicoDet", epoch=1, **keys)


@dataclass
class Plugin:
    """What Paddle's Python side was asked to do with the pretended cards."""

    cards: list[str] = field(default_factory=lambda: ["iluvatar_gpu:0", "iluvatar_gpu:1"])
    operators: dict[str, list[str]] = field(default_factory=dict)
    places: list[tuple[str, int]] = field(default_factory=list)  # type and card of every place made


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Plugin]:
    """Paddle as it looks with Iluvatar's plug-in: no CUDA build, a custom device type, float16, kernels of its own."""
    made = Plugin()
    monkeypatch.setattr(paddle, "is_compiled_with_cuda", lambda: False)
    monkeypatch.setattr(paddle.device, "get_available_custom_device", lambda: made.cards)
    monkeypatch.setattr(core, "get_all_custom_device_type", lambda: ["iluvatar_gpu"])
    monkeypatch.setattr(core, "CustomPlace", lambda kind, card: made.places.append((kind, card)))
    monkeypatch.setattr(framework, "_set_expected_place", lambda place: None)
    monkeypatch.setattr(paddle.amp, "is_float16_supported", lambda: True)
    monkeypatch.setattr(kernels, "_registry", lambda: made.operators)
    kernels.has_kernel.cache_clear()
    nms._runs_on_cpu.cache_clear()
    yield made
    kernels.has_kernel.cache_clear()
    nms._runs_on_cpu.cache_clear()


@pytest.mark.parametrize(
    ("keys", "devices", "chosen"),
    [
        ({}, GPUS, "gpu"),
        ({}, [*GPUS[:2], *CARDS], "gpu"),
        ({}, CARDS, "iluvatar_gpu"),
        ({}, ["cpu"], "cpu"),
        ({"use_gpu": False}, GPUS, "cpu"),
        ({"device": "cpu"}, GPUS, "cpu"),
        ({"device": "gpu"}, GPUS, "gpu"),
        ({"device": "gpu:1"}, GPUS, "gpu:1"),
        ({"device": "iluvatar_gpu"}, [*GPUS[:2], *CARDS], "iluvatar_gpu"),
        ({"use_npu": True}, ["gpu:0", "npu:0", "cpu"], "npu"),
        ({"use_xpu": True}, ["gpu:0", "xpu:0", "cpu"], "xpu"),
        ({"use_mlu": True, "device": "cpu"}, ["gpu:0", "mlu:0", "cpu"], "cpu"),
    ],
)
def test_choice(keys: dict[str, Any], devices: list[str], chosen: str) -> None:
    assert device.choose_device(settings(**keys), devices) == chosen


@pytest.mark.parametrize(
    ("keys", "processes", "message"),
    [
        ({"device": "npu"}, 1, r"device: 'npu' is not there; available: gpu:0, gpu:1, cpu"),
        ({"device": "gpu:2"}, 1, r"device: 'gpu:2' is not there; available: gpu:0, gpu:1, cpu"),
        ({"use_npu": True}, 1, r"device: 'npu' is not there"),
        ({"device": "gpu:1"}, 2, r"device: 'gpu:1' is one card but the launcher started 2 processes; set gpu"),
    ],
)
def test_what_is_not_there(keys: dict[str, Any], processes: int, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(UserError, match=message):
        device.choose_device(settings(**keys), GPUS, processes)


def test_hidden_cards_are_pointed_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with pytest.raises(
        UserError, match=r"device: 'gpu:1' is not there; available: gpu:0, cpu \(CUDA_VISIBLE_DEVICES=1\)"
    ):
        device.choose_device(settings(device="gpu:1"), ["gpu:0", "cpu"])


def test_no_accelerator_is_said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "available_devices", lambda: ["cpu"])
    with caplog.at_level(logging.INFO):
        assert device.select_device(settings()) == "cpu"
    assert [record.getMessage() for record in caplog.records] == ["device: no accelerator found, running on the CPU"]
    caplog.clear()
    with caplog.at_level(logging.INFO):
        assert device.select_device(settings(use_gpu=False)) == "cpu"
    assert not caplog.records


def test_a_plugged_in_card_is_chosen_by_itself(plugin: Plugin) -> None:
    assert device.available_devices() == CARDS
    assert device.select_device(settings()) == "iluvatar_gpu"
    assert plugin.places == [("iluvatar_gpu", 0)]


def test_a_single_card_has_a_number_too(plugin: Plugin) -> None:
    plugin.cards = ["iluvatar_gpu"]  # as Paddle writes it
    assert device.available_devices() == ["iluvatar_gpu:0", "cpu"]
    assert device.select_device(settings(device="iluvatar_gpu:0")) == "iluvatar_gpu"


def test_the_launcher_chooses_the_card(plugin: Plugin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "2")
    monkeypatch.setenv("FLAGS_selected_iluvatar_gpus", "1")
    monkeypatch.setattr(device, "launched_plugin", lambda: "iluvatar_gpu")
    device.select_device(settings())
    device.select_device(settings(device="iluvatar_gpu"))
    assert plugin.places == [("iluvatar_gpu", 1)] * 2
    with pytest.raises(UserError, match="the launcher started 2 processes"):
        device.select_device(settings(device="iluvatar_gpu:0"))


NOT_LOOKED_FOR = (
    r"device: 'iluvatar_gpu', but the launcher did not look for such cards; "
    r"export PADDLE_XCCL_BACKEND=iluvatar_gpu before its command$"
)


@pytest.mark.parametrize(
    ("kind", "backend", "plugin", "message"),
    [
        (
            "cpu",
            "nccl",
            "",
            r"device: 'cpu', but .* for cards \(nccl\); put PADDLE_DISTRI_BACKEND=gloo before its command$",
        ),
        (
            "cpu",
            "xccl",
            "npu",
            r"for cards \(xccl\); put CUSTOM_DEVICE_ROOT= \(hides the plug-in\) before its command$",
        ),
        ("gpu", "gloo", "", r"device: 'gpu', but PADDLE_DISTRI_BACKEND=gloo connects CPUs only; unset it, or set cpu"),
        (
            "npu",
            "gloo",
            "npu",
            r"device: 'npu', but PADDLE_DISTRI_BACKEND=gloo connects CPUs only; unset it, or set cpu",
        ),
        ("iluvatar_gpu", "gloo", "", NOT_LOOKED_FOR),
        ("iluvatar_gpu", "xccl", "", NOT_LOOKED_FOR),  # where CUDA_VISIBLE_DEVICES is set
        ("iluvatar_gpu", "xccl", "npu", NOT_LOOKED_FOR),
    ],
)
def test_collectives_of_another_kind_of_device(kind: str, backend: str, plugin: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        device.check_backend(kind, backend, plugin)


@pytest.mark.parametrize(
    ("kind", "backend", "plugin"),
    [("cpu", "gloo", ""), ("gpu", "nccl", ""), ("xpu", "flagcx", ""), ("iluvatar_gpu", "xccl", "iluvatar_gpu")],
)
def test_collectives_that_fit(kind: str, backend: str, plugin: str) -> None:
    device.check_backend(kind, backend, plugin)
    device.check_backend("cpu", "gloo", plugin)


def test_a_launcher_that_was_not_told_of_the_plugin(plugin: Plugin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "2")
    monkeypatch.setenv("PADDLE_DISTRI_BACKEND", "gloo")
    monkeypatch.setattr(device, "launched_plugin", lambda: "")
    with pytest.raises(UserError, match=NOT_LOOKED_FOR):
        device.select_device(settings())
    assert device.select_device(settings(device="cpu")) == "cpu"


def test_the_cpu_under_a_launcher_for_cards(plugin: Plugin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "2")
    monkeypatch.setenv("PADDLE_DISTRI_BACKEND", "xccl")
    with pytest.raises(UserError, match="device: 'cpu', but"):
        device.select_device(settings(device="cpu"))


@pytest.mark.parametrize(
    ("devices", "named", "plugin", "backend"),
    [
        (["cpu"], None, "", "gloo"),
        (GPUS, None, "", "nccl"),
        (GPUS, "gloo", "", "gloo"),
        (CARDS, "xccl", "iluvatar_gpu", "xccl"),
        (CARDS, None, "iluvatar_gpu", "xccl"),
        (CARDS, None, "", "gloo"),
    ],
)
def test_backend_of_the_launcher(
    devices: list[str], named: str | None, plugin: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "available_devices", lambda: devices)
    monkeypatch.setattr(device, "launched_plugin", lambda: plugin)
    monkeypatch.delenv("PADDLE_DISTRI_BACKEND", raising=False)
    if named:
        monkeypatch.setenv("PADDLE_DISTRI_BACKEND", named)
    assert device.launched_backend() == backend


def test_paddle_names_the_launched_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paddle's own answer, without a stand-in."""
    types = paddle.device.get_all_custom_device_type() or [""]
    monkeypatch.setenv("PADDLE_XCCL_BACKEND", types[0])
    assert device.launched_plugin() == types[0]


def test_what_a_plugged_in_card_can_do(plugin: Plugin, monkeypatch: pytest.MonkeyPatch) -> None:
    assert device.collective_backend("iluvatar_gpu") == "xccl"
    assert device.visible_devices_variable("iluvatar_gpu") == "ILUVATAR_GPU_VISIBLE_DEVICES"
    assert device.amp_dtype("iluvatar_gpu") == "float16"
    monkeypatch.setattr(paddle.amp, "is_float16_supported", lambda: False)
    monkeypatch.setattr(paddle.amp, "is_bfloat16_supported", lambda: True)
    assert device.amp_dtype("iluvatar_gpu") == "bfloat16"
    assert device.amp_dtype("cpu") is None


@pytest.mark.parametrize(
    ("kernels_of_conv2d", "dtype"),
    [
        (["{data_type[::paddle::platform::float16]; data_layout[NCHW]; place[Place(iluvatar_gpu:0)]}"], "float16"),
        (["{data_type[::paddle::platform::float16]; data_layout[NCHW]; place[Place(gpu:0)]}"], None),
        (["{data_type[float]; data_layout[NCHW]; place[Place(iluvatar_gpu:0)]}"], None),
        ([], None),
    ],
)
def test_mixed_precision_with_a_paddle_that_cannot_be_asked(
    kernels_of_conv2d: list[str], dtype: str | None, plugin: Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_the_cpu_alone() -> bool:
        raise TypeError("is_float16_supported(): incompatible function arguments")  # 2.6

    monkeypatch.setattr(paddle.amp, "is_float16_supported", of_the_cpu_alone)
    plugin.operators = {"conv2d": kernels_of_conv2d}
    assert device.amp_dtype("iluvatar_gpu") == dtype


@pytest.mark.parametrize(
    ("name", "memory", "description"),
    [("BI-V150", 32 * 2**30, "iluvatar_gpu:1: BI-V150, 32 GB"), ("", 0, "iluvatar_gpu:1: no description")],
)
def test_descriptions(name: str, memory: int, description: str, monkeypatch: pytest.MonkeyPatch) -> None:
    properties = SimpleNamespace(name=name, total_memory=memory)
    monkeypatch.setattr(paddle.device, "get_device_properties", lambda device: properties, raising=False)
    assert device.describe_device("iluvatar_gpu:1") == description

    def cannot(device: str) -> None:
        raise AttributeError

    monkeypatch.setattr(paddle.device, "get_device_properties", cannot)
    assert device.describe_device("iluvatar_gpu:1") == "iluvatar_gpu:1: no description (AttributeError)"
    assert device.describe_device("cpu") == "cpu"


@pytest.mark.parametrize(
    ("operators", "supported"),
    [(["sync_batch_norm", "sync_batch_norm_grad"], True), (["sync_batch_norm"], False), ([], False)],
)
def test_sync_bn_needs_both_kernels(operators: list[str], supported: bool, plugin: Plugin) -> None:
    plugin.operators = dict.fromkeys(
        operators, ["{data_type[float]; place[Place(iluvatar_gpu:0)]; library_type[PLAIN]}"]
    )
    assert device.supports_sync_bn("iluvatar_gpu") == supported
    assert not device.supports_sync_bn("cpu")


def test_peak_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device.peak_memory_mb("cpu") > 10  # an interpreter with Paddle in it
    monkeypatch.setattr(paddle.device, "max_memory_allocated", lambda: 3 * 2**20, raising=False)
    assert device.peak_memory_mb("iluvatar_gpu") == 3

    def not_counted() -> int:
        raise ValueError("not supported in CPU PaddlePaddle")

    monkeypatch.setattr(paddle.device, "max_memory_allocated", not_counted)
    assert device.peak_memory_mb("iluvatar_gpu") > 10


class Driver:
    """Stands for CUDA's driver, which has 7 of 9 bytes free if it has a card."""

    def __init__(self, status: int) -> None:
        self.status = status

    def cuMemGetInfo_v2(self, free: Any, total: Any) -> int:
        free._obj.value, total._obj.value = 7, 9
        return self.status


def no_library(name: str) -> None:
    raise OSError(f"{name}: cannot open shared object file")


def test_free_memory_is_what_the_driver_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device.ctypes, "CDLL", lambda name: Driver(0))
    assert device.free_memory("gpu") == 7
    monkeypatch.setattr(device.ctypes, "CDLL", lambda name: Driver(201))  # no context
    assert device._free_by_driver() is None
    monkeypatch.setattr(device.ctypes, "CDLL", lambda name: object())  # a library without the function
    assert device._free_by_driver() is None


@pytest.mark.parametrize(("total", "free"), [(100, 70), (0, None)])
def test_free_memory_without_a_driver(
    total: int, free: int | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The total less what this process holds, with a warning."""
    monkeypatch.setattr(device.ctypes, "CDLL", no_library)
    monkeypatch.setattr(paddle.device, "get_device", lambda: "iluvatar_gpu:1")
    monkeypatch.setattr(paddle.device, "memory_reserved", {"iluvatar_gpu:1": 30}.__getitem__, raising=False)
    properties = SimpleNamespace(name="BI-V150", total_memory=total)
    monkeypatch.setattr(paddle.device, "get_device_properties", lambda device: properties, raising=False)
    assert device.held_memory("iluvatar_gpu") == 30
    assert device.free_memory("iluvatar_gpu") == free
    assert [*caplog.messages] == [
        "device: iluvatar_gpu:1 does not tell what other processes hold of its memory, which counts as free"
    ] * (total > 0)


def test_a_device_that_does_not_tell_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device.ctypes, "CDLL", no_library)
    monkeypatch.delattr(paddle.device, "memory_reserved", raising=False)  # 2.6
    assert device.held_memory("iluvatar_gpu") is None
    assert device.free_memory("iluvatar_gpu") is None
    monkeypatch.setattr(paddle.device, "memory_reserved", lambda device: 30, raising=False)
    monkeypatch.delattr(paddle.device, "get_device_properties", raising=False)
    assert device.free_memory("iluvatar_gpu") is None


def test_memory_in_reserve_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []
    monkeypatch.setattr(paddle.device, "get_device", lambda: "card:1")
    for kind, counter in (("plug-in", paddle.device), ("gpu", paddle.device.cuda)):
        monkeypatch.setattr(counter, "empty_cache", lambda kind=kind: given.append(kind), raising=False)
        monkeypatch.setattr(counter, "reset_max_memory_allocated", given.append, raising=False)
    device.release_memory("iluvatar_gpu")
    device.release_memory("gpu")
    monkeypatch.delattr(paddle.device, "empty_cache")
    monkeypatch.delattr(paddle.device, "reset_max_memory_allocated")
    device.release_memory("iluvatar_gpu")  # 2.6 has no such functions for plug-ins
    assert given == ["plug-in", "card:1", "gpu", "card:1"]


def test_nms_runs_on_the_cpu_where_the_device_lacks_it(
    plugin: Plugin, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    suppress = nms.MultiClassNMS(score_threshold=0.1, nms_top_k=10, keep_top_k=5, nms_threshold=0.5)
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 50, (2, 20, 2)).astype(np.float32)
    boxes = paddle.to_tensor(np.concatenate([corners, corners + 10], axis=-1))
    scores = paddle.to_tensor(rng.uniform(0, 1, (2, 3, 20)).astype(np.float32))
    plugin.operators = {"multiclass_nms3": ["{data_type[float]; place[Place(cpu)]; library_type[PLAIN]}"]}
    expected = [part.numpy() for part in suppress(boxes, scores)]
    assert not caplog.records

    copied = []
    to_cpu = paddle.Tensor.cpu
    monkeypatch.setattr(nms, "place_kind", lambda place: "iluvatar_gpu")
    monkeypatch.setattr(paddle.Tensor, "cpu", lambda tensor: copied.append(tensor.shape) or to_cpu(tensor))
    with caplog.at_level(logging.INFO, "ppdet"):
        for _ in range(2):
            found = [part.numpy() for part in suppress(boxes, scores)]
    assert copied == [boxes.shape, scores.shape] * 2
    assert [r.getMessage() for r in caplog.records] == [
        "NMS: iluvatar_gpu has no operator multiclass_nms3, it runs on the CPU"
    ]
    assert len(expected[0]) > 0
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_paddles_registry_is_read() -> None:
    """Paddle's private list of kernels, without a stand-in."""
    assert kernels.place_kind(str(paddle.ones([1]).cpu().place)) == "cpu"
    assert kernels.has_kernel("multiclass_nms3", "cpu")
    assert not kernels.has_kernel("multiclass_nms3", "iluvatar_gpu")
    assert not kernels.has_kernel("no_such_operator", "cpu")


@pytest.mark.parametrize(
    ("chosen", "environment"),
    [
        ("cpu", {"PADDLE_DISTRI_BACKEND": "gloo"}),
        ("gpu:1", {"PADDLE_DISTRI_BACKEND": "nccl", "FLAGS_selected_gpus": "1"}),
        ("xpu:0", {"PADDLE_DISTRI_BACKEND": "bkcl", "FLAGS_selected_xpus": "0"}),
        (
            "iluvatar_gpu:1",
            {
                "PADDLE_DISTRI_BACKEND": "xccl",
                "PADDLE_XCCL_BACKEND": "iluvatar_gpu",
                "FLAGS_selected_iluvatar_gpus": "1",
            },
        ),
    ],
)
def test_environment_of_the_launcher(chosen: str, environment: dict[str, str]) -> None:
    assert device.launcher_environment(chosen) == environment

"""The doctor's findings for machines of all kinds, and its report on this one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import paddle
import pytest

from ppdet.doctor import report as doctor
from ppdet.doctor import self_tests as doctor_tests
from ppdet.doctor.report import Finding

ROOT = Path(__file__).resolve().parents[2]
GB = 2**30


@pytest.mark.parametrize(
    ("versions", "errors", "advice"),
    [
        ({"paddle": "3.3.1", "numpy": "2.4.6"}, {}, []),
        ({"paddle": "2.6.2", "numpy": "1.26.4"}, {}, []),
        ({"paddle": "2.6.2", "numpy": "2.0.0"}, {}, ['Paddle 2.6 needs NumPy 1: pip install "numpy<2"']),
        (
            {"paddle": "3.3.1"},
            {"cv2": "ImportError: libGL.so.1"},
            ["cv2: install it, pip install opencv-python-headless"],
        ),
    ],
)
def test_packages(versions: dict[str, str], errors: dict[str, str], advice: list[str]) -> None:
    found = doctor.check_packages(versions, errors)
    assert (list(found.advice), found.broken) == (advice, bool(advice))
    assert all(any(name in line for line in found.lines) for name in {**versions, **errors})


@pytest.mark.parametrize(
    ("devices", "monitors", "advised"),
    [
        (["cpu"], [], []),
        (["gpu:0: NVIDIA H200, 140 GB", "cpu"], ["nvidia-smi"], []),
        (["cpu"], ["nvidia-smi"], ["nvidia-smi is here but Paddle sees no card: install the CUDA build"]),
        (["cpu"], ["ixsmi"], ["ixsmi is here but Paddle sees no card: see docs/iluvatar.md"]),
    ],
)
def test_devices(devices: list[str], monitors: list[str], advised: list[str]) -> None:
    found = doctor.check_devices("CPU build", devices, monitors, "gloo")
    assert [sentence.split(", ")[0] for sentence in found.advice] == advised
    assert not found.broken  # training on the CPU works
    assert set(devices) < set(found.lines)


@pytest.mark.parametrize(("free", "advised"), [(64 * 2**20, True), (8 * GB, False), (None, False)])
def test_small_shared_memory(free: int | None, advised: bool) -> None:
    found = doctor.check_memory(64 * GB, 32 * GB, free and 2 * free, free)
    assert any("--shm-size=1g" in sentence for sentence in found.advice) == advised
    assert any("/dev/shm" in line for line in found.lines) == (free is not None)


@pytest.mark.parametrize(
    ("setting", "allowed", "advised"), [(None, 2, []), ("2", 2, []), ("8", 2.5, ["set 2"]), ("4", 0.5, ["set 1"])]
)
def test_oversubscribed_threads(setting: str | None, allowed: float, advised: list[str]) -> None:
    found = doctor.check_threads({"MKL_NUM_THREADS": setting} if setting else {}, 8, allowed)
    assert [sentence.split(": ")[1].split(",")[0] for sentence in found.advice] == advised


def test_environment_shows_no_other_variable() -> None:
    found = doctor.check_environment({"CUDA_VISIBLE_DEVICES": "", "MKL_NUM_THREADS": "1", "MY_PASSWORD": "secret"})
    assert list(found.lines) == ["CUDA_VISIBLE_DEVICES=", "MKL_NUM_THREADS=1"]
    assert list(found.advice) == ["CUDA_VISIBLE_DEVICES is empty, which hides every card"]


def test_report() -> None:
    fine, ill = Finding("Memory", ["RAM 1 GB"]), Finding("Software", ["paddle 2"], ["mend it"], broken=True)
    assert doctor.report([fine]) == "Memory\n  RAM 1 GB\n\nnothing is broken"
    assert doctor.report([fine, ill]).endswith("Advice\n  - mend it\n\nbroken: Software")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("raise SystemExit('no route')", "gloo on cpu: process [01] of 2 ended with status 1: no route"),
        ("import time; time.sleep(60)", "gloo on cpu: 2 processes did not finish in 1 s"),
    ],
)
def test_failing_all_reduce(program: str, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        doctor_tests.all_reduce(timeout=1 if "sleep" in program else 60, program=program)


def test_the_first_process_that_fails_is_named_at_once() -> None:
    waits_for_ever = "import os, time; os.environ['PADDLE_TRAINER_ID'] == '1' and exit('no route'); time.sleep(600)"
    with pytest.raises(RuntimeError, match="gloo on cpu: process 1 of 2 ended with status 1: no route"):
        doctor_tests.all_reduce(timeout=300, program=waits_for_ever)


@pytest.mark.parametrize(
    ("devices", "chosen"),
    [
        (["cpu"], ["cpu", "cpu"]),
        (["gpu:0", "cpu"], ["cpu", "cpu"]),
        (["gpu:0", "gpu:1", "gpu:2", "cpu"], ["gpu:0", "gpu:1"]),
        (["gpu:0", "npu:0", "npu:1", "cpu"], ["cpu", "cpu"]),  # training would take the GPU
        (["iluvatar_gpu:0", "iluvatar_gpu:1", "cpu"], ["iluvatar_gpu:0", "iluvatar_gpu:1"]),
    ],
)
def test_collectives_are_tested_on_two_cards_if_there_are_two(devices: list[str], chosen: list[str]) -> None:
    assert doctor_tests.two_devices(devices) == chosen


def test_two_cards_get_the_environment_of_the_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program tells what it was given, in place of Paddle, which has no such cards here."""
    names = ["PADDLE_TRAINER_ID", "PADDLE_DISTRI_BACKEND", "PADDLE_XCCL_BACKEND", "FLAGS_selected_npus"]
    program = f"import os; values = [os.environ[name] for name in {names}]; exit(values[0] == '1' and values)"
    monkeypatch.setattr(doctor_tests, "available_devices", lambda: ["npu:0", "npu:1", "cpu"])
    with pytest.raises(RuntimeError) as raised:
        doctor_tests.all_reduce(program=program)
    assert (
        str(raised.value)
        == "xccl on npu:0 and npu:1: process 1 of 2 ended with status 1: ['1', 'xccl', 'npu', '1']; "
        + doctor_tests._HINT
    )


@pytest.mark.parametrize(
    ("gflops", "size", "longest"),
    [
        (1000, 1024, 2.1),
        (10, 1024, 2.1),
        (0.23, 256, 2.1),  # plain loops: a product of 1024 x 1024 would take 9 s, and the test with five of them 47
        (0.01, 128, 2.1),
        (0.001, 128, 9),  # nothing smaller is tried: two products of 4 s
    ],
)
def test_slow_devices_multiply_small_matrices(
    monkeypatch: pytest.MonkeyPatch, gflops: float, size: int, longest: float
) -> None:
    now = 100.0
    fast = paddle.matmul

    def slow(left: paddle.Tensor, right: paddle.Tensor) -> paddle.Tensor:
        nonlocal now
        now += 2 * left.shape[0] ** 3 / gflops / 1e9
        if left.shape[0] not in products:
            products[left.shape[0]] = fast(left, right)
        return products[left.shape[0]]

    products: dict[int, paddle.Tensor] = {}
    monkeypatch.setattr(paddle, "matmul", slow)
    monkeypatch.setattr(doctor_tests.time, "perf_counter", lambda: now)
    [line] = doctor_tests.matmul()
    assert line.startswith(f"cpu: {gflops:.3g} GFLOP/s in float32, {size} x {size}, relative error ")
    assert now - 100 < longest


def test_a_wrong_product_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paddle, "matmul", lambda left, right: left)
    with pytest.raises(RuntimeError, match=r"matmul on cpu is off by \d"):
        doctor_tests.matmul()


def test_a_failing_self_test_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def failing() -> Sequence[str]:
        raise RuntimeError("matmul on gpu is off by 0.5")

    monkeypatch.setattr(doctor_tests, "matmul", failing)
    monkeypatch.setattr(doctor_tests, "all_reduce", lambda: ["fine"])
    assert doctor.doctor() == 1
    report = capsys.readouterr().out
    assert "failed: RuntimeError: matmul on gpu is off by 0.5" in report
    assert report.endswith("broken: Self-test: matmul\n")


def test_libraries_are_quiet_before_they_are_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"MKL_NUM_THREADS": "1"}
    seen: list[str | None] = []

    def imports() -> tuple[dict[str, str], dict[str, str]]:
        seen.append(environ.get("GLOG_minloglevel"))
        return {}, {"paddle": "ImportError"}

    monkeypatch.setattr(doctor.os, "environ", environ)
    monkeypatch.setattr(doctor, "_import_packages", imports)
    doctor.doctor()
    assert seen == ["2"]
    shown = capsys.readouterr().out
    assert "MKL_NUM_THREADS=1" in shown
    assert "OMP_WAIT_POLICY" not in shown  # set by the command itself


def test_without_paddle(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "_import_packages", lambda: ({"numpy": "1.26"}, {"paddle": "ImportError: libcudart"}))
    assert doctor.doctor() == 1
    report = capsys.readouterr().out
    assert "paddle cannot be imported: ImportError: libcudart" in report
    assert "paddle: install it, pip install paddlepaddle" in report


def test_this_machine() -> None:
    command = [sys.executable, "-m", "ppdet", "doctor"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    for word in (
        "Python 3.",
        "paddle ",
        "numpy ",
        "RAM ",
        "/dev/shm ",
        "cpu",
        "1024 x 1024",
        "2 processes through gloo",
    ):
        assert word in done.stdout
    assert done.stdout.endswith("nothing is broken\n")

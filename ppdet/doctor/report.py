"""`python3 -m ppdet doctor`: reports what this machine has, whether it works, and what to fix.

Each `check_*` function turns plain values into a Finding, so that it can be tested for any machine. Self-tests do some
work. The module does not import Paddle at the top, because a Paddle that cannot be imported is a finding too.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppdet.core.errors import telling_line
from ppdet.deploy.cpus import allowed_cores
from ppdet.deploy.errors import printable
from ppdet.deploy.libraries import prepare_libraries
from ppdet.utils.lazy import optional_module

# Variables that change what Paddle, its launcher or its collectives do.
ENVIRONMENT = (
    "CUDA_VISIBLE_DEVICES",
    "ILUVATAR_GPU_VISIBLE_DEVICES",
    "FLAGS_selected_gpus",
    "FLAGS_selected_iluvatar_gpus",
    "FLAGS_allocator_strategy",
    "FLAGS_fraction_of_gpu_memory_to_use",
    "CUSTOM_DEVICE_ROOT",
    "PADDLE_XCCL_BACKEND",
    "PADDLE_DISTRI_BACKEND",
    "PADDLE_MASTER",
    "PADDLE_NNODES",
    "PADDLE_TRAINERS_NUM",
    "PADDLE_TRAINER_ID",
    "POD_IP",
    "NCCL_SOCKET_IFNAME",
    "NCCL_IB_DISABLE",
    "NCCL_DEBUG",
    "GLOO_SOCKET_IFNAME",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "LD_LIBRARY_PATH",
)
# The name of each module's package for `pip install`.
PACKAGES = {
    "paddle": "paddlepaddle",
    "numpy": "numpy",
    "cv2": "opencv-python-headless",
    "numba": "numba",
    "yaml": "pyyaml",
    "pycocotools": "pycocotools",
    "ultrafast_pycocotools": "ultrafast-pycocotools",
}
# For the command of each card's driver, how to get a Paddle that sees the card.
MONITORS = {"nvidia-smi": "install the CUDA build, paddlepaddle-gpu", "ixsmi": "see docs/iluvatar.md"}
SMALL_SHARED_MEMORY = 2**28  # bytes; containers often have 2**26


@dataclass(frozen=True)
class Finding:
    """A section of the report.

    Attributes:
        title: the headline.
        lines: what was found.
        advice: sentences on what to do.
        broken: whether training or evaluation would fail.
    """

    title: str
    lines: Sequence[str]
    advice: Sequence[str] = ()
    broken: bool = False


def check_packages(versions: Mapping[str, str], errors: Mapping[str, str]) -> Finding:
    """Report `versions` by module, and `errors` of modules that cannot be imported."""
    lines = [f"Python {platform.python_version()}, {platform.platform()}"]
    lines += [f"{name} {version}" for name, version in versions.items()]
    lines += [f"{name} cannot be imported: {error}" for name, error in errors.items()]
    advice = [f"{name}: install it, pip install {PACKAGES[name]}" for name in errors]
    if versions.get("paddle", "").startswith("2.") and versions.get("numpy", "").startswith("2."):
        advice.append('Paddle 2.6 needs NumPy 1: pip install "numpy<2"')
    return Finding("Software", lines, advice, broken=bool(advice))


def check_devices(build: str, devices: Sequence[str], monitors: Sequence[str], backend: str) -> Finding:
    """Report the devices.

    Args:
        build: what Paddle was built for.
        devices: descriptions of the devices, the CPU last.
        monitors: the commands of MONITORS that this machine has.
        backend: the library for collectives.
    """
    lines = [f"Paddle is a {build}", *devices, f"collectives between processes: {backend}"]
    unseen = monitors if len(devices) == 1 else []
    check = "or check the driver and the variables *_VISIBLE_DEVICES"
    advice = [f"{name} is here but Paddle sees no card: {MONITORS[name]}, {check}" for name in unseen]
    return Finding("Devices", lines, advice)


def check_memory(total: int, available: int, shared_total: int | None, shared_free: int | None) -> Finding:
    """Report RAM and /dev/shm in bytes; None: there is no /dev/shm, through which cards of one machine may talk."""
    lines = [f"RAM {total / 2**30:.1f} GB, {available / 2**30:.1f} GB available"]
    advice = []
    if shared_total is not None and shared_free is not None:
        lines.append(f"/dev/shm {shared_total / 2**30:.2f} GB, {shared_free / 2**30:.2f} GB free")
        if shared_free < SMALL_SHARED_MEMORY:
            remedy = "start the container with --shm-size=1g (Kubernetes: an emptyDir of medium Memory)"
            advice.append(f"/dev/shm is small for collectives between cards: {remedy}")
    return Finding("Memory", lines, advice)


def check_threads(environ: Mapping[str, str], cores: int, allowed: float) -> Finding:
    """Report the machine's `cores`, and those `allowed` to this process by affinity and the container's quota."""
    lines = [f"{cores} CPU cores, {allowed:g} of them for this process"]
    setting = environ.get("MKL_NUM_THREADS", "")
    threads = setting or "its share of the cores, as MKL_NUM_THREADS is not set"
    lines.append(f"threads of a process on the CPU: {threads}")
    advice = []
    if setting.isdecimal() and int(setting) > max(1, allowed):
        remedy = f"set {max(1, int(allowed))}, divided by the processes of this machine"
        advice.append(f"MKL_NUM_THREADS={setting} on {allowed:g} cores: {remedy}")
    return Finding("Threads", lines, advice)


def check_environment(environ: Mapping[str, str]) -> Finding:
    """Report the variables of ENVIRONMENT that are set."""
    lines = [f"{name}={environ[name]}" for name in ENVIRONMENT if name in environ]
    empty = [name for name in ENVIRONMENT if name.endswith("_VISIBLE_DEVICES") and environ.get(name) == ""]
    advice = [f"{name} is empty, which hides every card" for name in empty]
    return Finding("Environment", lines or ["none of the variables that matter is set"], advice)


def report(findings: Sequence[Finding]) -> str:
    """Returns the text of the report: findings, then all advice, then the verdict."""
    lines = [line for found in findings for line in (found.title, *(f"  {line}" for line in found.lines), "")]
    advice = [f"  - {sentence}" for found in findings for sentence in found.advice]
    lines += ["Advice", *advice, ""] if advice else []
    broken = ", ".join(found.title for found in findings if found.broken)
    return "\n".join(map(printable, [*lines, f"broken: {broken}" if broken else "nothing is broken"]))


def doctor() -> int:
    """Print the report and return the exit status: 1 if something is broken, else 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the imports
        findings = _examine()
    print(report(findings))
    return int(any(found.broken for found in findings))


def _examine() -> list[Finding]:
    environ = dict(os.environ)  # a copy, because the next line, and importing Paddle and OpenCV, set variables
    prepare_libraries()
    versions, errors = _import_packages()
    findings = [check_packages(versions, errors), check_environment(environ)]
    findings += [_guarded("Memory", _memory), _guarded("Threads", lambda: _threads(environ))]
    if "paddle" not in errors:
        self_tests: Any = optional_module("ppdet.doctor.self_tests")
        findings.append(find_devices())
        findings.append(_self_test("Self-test: matmul", self_tests.matmul))
        findings.append(_self_test("Self-test: all-reduce", self_tests.all_reduce))
    return findings


def _self_test(title: str, test: Callable[[], list[str]]) -> Finding:
    return _guarded(title, lambda: Finding(title, test()))


def _guarded(title: str, check: Callable[[], Finding]) -> Finding:
    """Returns what `check` finds, or a broken finding if it fails."""
    try:
        return check()
    except Exception as error:
        message = telling_line(str(error))
        return Finding(title, [f"failed: {type(error).__name__}: {message}"], [f"{title}: {message}"], broken=True)


def find_software() -> Finding:
    """Import what ppdet needs, and report it."""
    return check_packages(*_import_packages())


def find_devices() -> Finding:
    """Report the devices of this machine; a broken finding if Paddle cannot tell."""
    return _guarded("Devices", _devices)


def _import_packages() -> tuple[dict[str, str], dict[str, str]]:
    versions, errors = {}, {}
    for name, package in PACKAGES.items():
        try:
            module = importlib.import_module(name)
            versions[name] = getattr(module, "__version__", None) or importlib.metadata.version(package)
        except Exception as error:  # a broken binary raises anything
            errors[name] = f"{type(error).__name__}: {error}"
    return versions, errors


def _devices() -> Finding:
    device: Any = optional_module("ppdet.runtime.device")
    devices = device.available_devices()
    monitors = [name for name in MONITORS if shutil.which(name)]
    backend = device.collective_backend(devices[0].split(":")[0])
    return check_devices(device.build_kind(), [device.describe_device(d) for d in devices], monitors, backend)


def _memory() -> Finding:
    page = os.sysconf("SC_PAGE_SIZE")
    total, available = os.sysconf("SC_PHYS_PAGES") * page, os.sysconf("SC_AVPHYS_PAGES") * page
    shared = shutil.disk_usage("/dev/shm") if Path("/dev/shm").is_dir() else None
    return check_memory(total, available, shared and shared.total, shared and shared.free)


def _threads(environ: Mapping[str, str]) -> Finding:
    return check_threads(environ, os.cpu_count() or 1, allowed_cores())

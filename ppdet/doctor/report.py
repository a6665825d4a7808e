"""`python3 -m ppdet doctor`: what this machine has, whether it works, and what to mend.

Each `check_*` is a function of plain values to a Finding, so that it can be tested for machines that are not here; the
self-tests do some work. Nothing imports Paddle at the top: a Paddle that cannot be imported is a finding too.
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

from ppdet.core.errors import printable
from ppdet.deploy.cpus import allowed_cores
from ppdet.utils.lazy import optional_module

# Variables that change what Paddle, its launcher or its collectives do.
ENVIRONMENT = (
    "CUDA_VISIBLE_DEVICES", "ILUVATAR_GPU_VISIBLE_DEVICES", "FLAGS_selected_gpus", "FLAGS_selected_iluvatar_gpus",
    "FLAGS_allocator_strategy", "FLAGS_fraction_of_gpu_memory_to_use", "CUSTOM_DEVICE_ROOT", "PADDLE_XCCL_BACKEND",
    "PADDLE_DISTRI_BACKEND", "PADDLE_MASTER", "PADDLE_NNODES", "PADDLE_TRAINERS_NUM", "PADDLE_TRAINER_ID", "POD_IP",
    "NCCL_SOCKET_IFNAME", "NCCL_IB_DISABLE", "NCCL_DEBUG", "GLOO_SOCKET_IFNAME", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS", "OMP_WAIT_POLICY", "LD_LIBRARY_PATH",
)  # fmt: skip
# module -> what `pip install` calls it
PACKAGES = {"paddle": "paddlepaddle", "numpy": "numpy", "cv2": "opencv-python-headless", "numba": "numba",
            "yaml": "pyyaml", "pycocotools": "pycocotools",
            "ultrafast_pycocotools": "ultrafast-pycocotools"}  # fmt: skip
# command of a card's driver -> how to get a Paddle that sees the card
MONITORS = {"nvidia-smi": "install the CUDA build, paddlepaddle-gpu", "ixsmi": "see docs/iluvatar.md"}
SMALL_SHARED_MEMORY = 2**28  # bytes; containers often have 2**26 of it


@dataclass(frozen=True)
class Finding:
    """One section of the report. advice: sentences; broken: training or evaluation would fail."""

    title: str
    lines: Sequence[str]
    advice: Sequence[str] = ()
    broken: bool = False


def check_packages(versions: Mapping[str, str], errors: Mapping[str, str]) -> Finding:
    """versions and errors: by module, of those that can and cannot be imported."""
    lines = [f"Python {platform.python_version()}, {platform.platform()}"]
    lines += [f"{name} {version}" for name, version in versions.items()]
    lines += [f"{name} cannot be imported: {error}" for name, error in errors.items()]
    advice = [f"{name}: install it, pip install {PACKAGES[name]}" for name in errors]
    if versions.get("paddle", "").startswith("2.") and versions.get("numpy", "").startswith("2."):
        advice.append('Paddle 2.6 needs NumPy 1: pip install "numpy<2"')
    return Finding("Software", lines, advice, broken=bool(advice))


def check_devices(build: str, devices: Sequence[str], monitors: Sequence[str], backend: str) -> Finding:
    """build: what Paddle was made for; devices: described, the CPU last; monitors: those of MONITORS that are here."""
    lines = [f"Paddle is a {build}", *devices, f"collectives between processes: {backend}"]
    unseen = monitors if len(devices) == 1 else []
    advice = [f"{name} is here but Paddle sees no card: {MONITORS[name]}, or check the driver and the variables "
              "*_VISIBLE_DEVICES" for name in unseen]  # fmt: skip
    return Finding("Devices", lines, advice)


def check_memory(total: int, available: int, shared_total: int | None, shared_free: int | None) -> Finding:
    """Bytes of RAM and of /dev/shm, through which cards of one machine may talk (None: there is no such place)."""
    lines = [f"RAM {total / 2**30:.1f} GB, {available / 2**30:.1f} GB available"]
    advice = []
    if shared_total is not None and shared_free is not None:
        lines.append(f"/dev/shm {shared_total / 2**30:.2f} GB, {shared_free / 2**30:.2f} GB free")
        if shared_free < SMALL_SHARED_MEMORY:
            advice.append("/dev/shm is small for collectives between cards: start the container with --shm-size=1g "
                          "(Kubernetes: an emptyDir of medium Memory)")  # fmt: skip
    return Finding("Memory", lines, advice)


def check_threads(environ: Mapping[str, str], cores: int, allowed: float) -> Finding:
    """cores: of the machine; allowed: what affinity and the container's quota leave this process."""
    lines = [f"{cores} CPU cores, {allowed:g} of them for this process"]
    setting = environ.get("MKL_NUM_THREADS", "")
    threads = setting or "its share of the cores, as MKL_NUM_THREADS is not set"
    lines.append(f"threads of a process on the CPU: {threads}")
    advice = []
    if setting.isdecimal() and int(setting) > max(1, allowed):
        advice.append(f"MKL_NUM_THREADS={setting} on {allowed:g} cores: set {max(1, int(allowed))}, divided by the "
                      "processes of this machine")  # fmt: skip
    return Finding("Threads", lines, advice)


def check_environment(environ: Mapping[str, str]) -> Finding:
    """The variables that matter and are set."""
    lines = [f"{name}={environ[name]}" for name in ENVIRONMENT if name in environ]
    advice = [f"{name} is empty, which hides every card" for name in ENVIRONMENT
              if name.endswith("_VISIBLE_DEVICES") and environ.get(name) == ""]  # fmt: skip
    return Finding("Environment", lines or ["none of the variables that matter is set"], advice)


def report(findings: Sequence[Finding]) -> str:
    """The findings, then all advice, then the verdict."""
    lines = [line for found in findings for line in (found.title, *(f"  {line}" for line in found.lines), "")]
    advice = [f"  - {sentence}" for found in findings for sentence in found.advice]
    lines += ["Advice", *advice, ""] if advice else []
    broken = ", ".join(found.title for found in findings if found.broken)
    return "\n".join(map(printable, [*lines, f"broken: {broken}" if broken else "nothing is broken"]))


def doctor() -> int:
    """Print the report; 1 where something is broken, else 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # chatter of the imports
        findings = _examine()
    print(report(findings))
    return int(any(found.broken for found in findings))


def _examine() -> list[Finding]:
    environ = dict(os.environ)  # as it was: importing Paddle and OpenCV sets some
    versions, errors = _import_packages()
    findings = [check_packages(versions, errors), check_environment(environ)]
    findings += [_guarded("Memory", _memory), _guarded("Threads", lambda: _threads(environ))]
    if "paddle" not in errors:
        self_tests = optional_module("ppdet.doctor.self_tests")
        findings.append(_guarded("Devices", _devices))
        findings.append(_guarded("Self-test: matmul", lambda: Finding("Self-test: matmul", self_tests.matmul())))
        findings.append(_guarded("Self-test: all-reduce",
                                 lambda: Finding("Self-test: all-reduce", self_tests.all_reduce())))  # fmt: skip
    return findings


def _guarded(title: str, check: Callable[[], Finding]) -> Finding:
    """What `check` finds; whatever goes wrong in it is a broken finding and not the end of the report."""
    try:
        return check()
    except Exception as error:
        message = (str(error).strip() or "no message").splitlines()[-1]
        return Finding(title, [f"failed: {type(error).__name__}: {message}"], [f"{title}: {message}"], broken=True)


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
    device = optional_module("ppdet.runtime.device")
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

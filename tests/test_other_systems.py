"""Without what only Linux has, everything imports, batches are made, and reader processes are refused in one line."""

from __future__ import annotations

import subprocess
import sys

from tests.support.workspaces import ROOT

PROGRAM = """
import os, pathlib, signal, sys
import zlib, cv2, numba, paddle  # as they are; Paddle 2.6 would give OpenCV a zlib of its own
for name in ("fcntl", "resource"):
    sys.modules[name] = None
for module, name in ((os, "fork"), (os, "posix_fallocate"), (os, "sched_getaffinity"), (signal, "pthread_sigmask")):
    delattr(module, name)
is_file = pathlib.Path.is_file
pathlib.Path.is_file = lambda path: not str(path).startswith(("/proc", "/sys")) and is_file(path)
import pkgutil, importlib, ppdet
for found in pkgutil.walk_packages(ppdet.__path__, "ppdet."):
    if not found.name.endswith("__main__") and "vendor.workers." not in found.name:  # run elsewhere
        importlib.import_module(found.name)
from ppdet.core.errors import UserError
from tests.support.tiny import make_run
run = make_run(pathlib.Path(sys.argv[1]))
dataset = run.load_dataset("TrainDataset")
batches = list(run.builder.build("TrainReader", worker_num=0, cache="ram").bind(dataset).epoch(0))
try:
    run.builder.build("TrainReader", worker_num=2).bind(dataset).epoch(0)
except UserError as error:
    print(len(batches), error)
"""


def test_what_only_linux_has_is_not_needed(tiny) -> None:
    argv = [sys.executable, "-c", PROGRAM, str(tiny)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("2 worker_num: found 2; reader processes need Linux or macOS; set it to 0")

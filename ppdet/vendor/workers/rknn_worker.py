"""Job: source (.onnx), target (.rknn), images (a list of [1, 3, H, W] .npy files beside it, for INT8) or null.

With `simulate`, nothing is written. The worker answers a line once the model is built, and then for each line
[input .npy, outputs .npz] that it reads, until there are no more.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import numpy as np

_PLATFORM = "rk3588"


def main() -> None:
    job = json.loads(sys.stdin.readline())
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the toolkit prints is no answer
    model = _built(job)
    if not job.get("simulate"):
        _check(model.export_rknn(job["target"]), "export_rknn")
        return
    _check(model.init_runtime(), "init_runtime")
    print("built", file=answers, flush=True)
    for line in sys.stdin:
        given, found = json.loads(line)
        outputs = model.inference(inputs=[np.load(given)], data_format=["nchw"])
        if outputs is None:
            sys.exit("inference gave no outputs")
        np.savez(found, *outputs)
        print("ran", file=answers, flush=True)


def _built(job: dict[str, Any]) -> Any:
    from rknn.api import RKNN

    model = RKNN(verbose=False)
    model.config(target_platform=_PLATFORM)
    _check(model.load_onnx(model=job["source"]), "load_onnx")
    if job["images"]:  # their names are relative, because the toolkit splits them at spaces
        os.chdir(os.path.dirname(job["images"]))
    _check(model.build(do_quantization=job["images"] is not None, dataset=job["images"]), "build")
    return model


def _check(status: int, step: str) -> None:
    if status:
        sys.exit(f"{step} ended with status {status}")


if __name__ == "__main__":
    main()

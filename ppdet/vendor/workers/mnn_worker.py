"""Job: source (.onnx), target (.mnn), fp16, and for INT8 a file of parameters."""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Run MNN's converter.

    The function of the compiled module is called, since the script `mnnconvert` around it installs a package with pip
    and sends logs to its maker.
    """
    job = json.load(sys.stdin)
    import _tools

    options = ["--modelFile", job["source"], "--MNNModel", job["target"], "--bizCode", "ppdet"]
    options += ["--fp16"] if job["fp16"] else []
    options += ["--compressionParamsFile", job["parameters"]] if "parameters" in job else []
    _tools.mnnconvert(["mnnconvert", "-f", "ONNX", *options])


if __name__ == "__main__":
    main()

"""Job: source (.onnx), target (.mnn), fp16."""

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

    paths = ["--modelFile", job["source"], "--MNNModel", job["target"]]
    _tools.mnnconvert(["mnnconvert", "-f", "ONNX", *paths, "--bizCode", "ppdet", *(["--fp16"] if job["fp16"] else [])])


if __name__ == "__main__":
    main()

"""Job: source (.onnx), target (.mnn), fp16.

For INT8 also: images ([N, 3, H, W] as .npy), a folder for files, the name of the input, and the names of the tensors
that stay in float.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Run MNN's converter.

    The functions of the compiled module are called, since the scripts `mnnconvert` and `mnnquant` around them install a
    package with pip and send logs to its maker.
    """
    job = json.load(sys.stdin)
    import _tools

    target = str(Path(job["folder"], "float.mnn")) if job.get("images") else job["target"]
    paths = ["--modelFile", job["source"], "--MNNModel", target]
    _tools.mnnconvert(["mnnconvert", "-f", "ONNX", *paths, "--bizCode", "ppdet", *(["--fp16"] if job["fp16"] else [])])
    if job.get("images"):
        _tools.mnnquant(["mnnquant", target, job["target"], str(_quantization(job))])


def _quantization(job: dict[str, Any]) -> Path:
    """Write the images, a folder for each, and the settings of the quantizer; return the file of settings."""
    import numpy as np

    images, folder = np.load(job["images"]), Path(job["folder"])
    shape = [1, *images.shape[1:]]
    for i, image in enumerate(images):
        place = folder / "images" / str(i)
        place.mkdir(parents=True)
        np.savetxt(place / f"{job['input']}.txt", image.ravel(), fmt="%.6g")
        (place / "input.json").write_text(
            json.dumps({"inputs": [{"name": job["input"], "shape": shape}], "outputs": []})
        )
    settings = {
        "input_type": "sequence",
        "path": f"{folder / 'images'}/",
        "used_sample_num": len(images),
        "feature_quantize_method": "ADMM",  # KL cuts off too much, and EMA changes the order of the outputs
        "weight_quantize_method": "MAX_ABS",
        "skip_quant_op_names": job["in_float"],
        # the quantizer reads them of images as well
        **{"format": "RGB", "mean": [0, 0, 0], "normal": [1, 1, 1], "width": shape[3], "height": shape[2]},
    }
    file = folder / "quantization.json"
    file.write_text(json.dumps(settings))
    return file


if __name__ == "__main__":
    main()

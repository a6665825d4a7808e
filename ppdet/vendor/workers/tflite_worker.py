"""Job: source (.onnx), folder for the .tflite files, images ([N, H, W, 3] as .npy, for INT8) or null."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np

_SAMPLES = "calibration_image_sample_data_20x128x128x3_float32.npy"


def main() -> None:
    """Run onnx2tf. It looks for sample images in the working directory, and would download them otherwise."""
    job = json.load(sys.stdin)
    folder = Path(job["folder"])
    folder.mkdir(parents=True)
    os.chdir(folder)
    os.environ.update(CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3")
    np.save(_SAMPLES, np.random.default_rng(0).random((20, 128, 128, 3), dtype=np.float32))
    import onnx
    import onnx2tf

    options = {}
    if job["images"]:
        (image,) = onnx.load(job["source"]).graph.input
        plain = np.zeros((1, 1, 1, 3), np.float32), np.ones((1, 1, 1, 3), np.float32)
        options = {
            "output_integer_quantized_tflite": True,
            "custom_input_op_name_np_data_path": [[image.name, job["images"], *plain]],
        }
    onnx2tf.convert(
        input_onnx_file_path=job["source"],
        output_folder_path=str(folder),
        copy_onnx_input_output_names_to_tflite=True,
        non_verbose=True,
        **options,
    )


if __name__ == "__main__":
    main()

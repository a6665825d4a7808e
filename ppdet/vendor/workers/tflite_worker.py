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
    import onnx2tf

    onnx2tf.convert(
        input_onnx_file_path=job["source"],
        output_folder_path=str(folder),
        copy_onnx_input_output_names_to_tflite=True,
        non_verbose=True,
    )
    if job["images"]:
        _write_int8(folder, f"{Path(job['source']).stem}_integer_quant.tflite", job["images"])


def _write_int8(folder: Path, name: str, images: str) -> None:
    """Quantize the saved model in `folder`. onnx2tf can do it, but takes its time for four other kinds of INT8."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.representative_dataset = lambda: ([image[None]] for image in np.load(images))
    (folder / name).write_bytes(converter.convert())


if __name__ == "__main__":
    main()

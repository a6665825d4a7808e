"""Converts exported ONNX models to the formats of vendors' toolchains, with the vendors' own converters."""

"""PP-PicoDet: train, evaluate, export and deploy lightweight object detectors with PaddlePaddle."""

# Loaded after Paddle 2.6, Python's zlib would call the other zlib inside Paddle, and crash.
import zlib  # noqa: F401

__version__ = "0.1.0"

"""PP-PicoDet: train, evaluate, export and deploy lightweight object detectors with PaddlePaddle."""

__version__ = "0.1.0"

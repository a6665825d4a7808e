"""PP-PicoDet: train, evaluate, export and deploy lightweight object detectors with PaddlePaddle."""

# Loaded after Paddle 2.6, Python's zlib would call the other zlib inside Paddle, and crash.
import zlib  # noqa: F401
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ppdet.api.picodet import PicoDet

__all__ = ["PicoDet"]
__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    """Import the API at its first use: `ppdet --help` and `ppdet.deploy` do not need it."""
    if name == "PicoDet":
        return import_module("ppdet.api.picodet").PicoDet
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

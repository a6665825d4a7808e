"""The classes that configs can name, by the modules that register them."""

from __future__ import annotations

from ppdet.core.registry import load_all


def load_classes() -> None:
    """Fill the class table: import every module that registers classes. This imports Paddle."""
    load_all("ppdet.modeling", "ppdet.data", "ppdet.optim.schedule", "ppdet.optim.optimizer")

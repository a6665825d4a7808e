"""Distillation: a small model learns from a larger one of its family as well as from the labels."""

from ppdet.distillation.distiller import Distiller, build_distiller, restore

__all__ = ["Distiller", "build_distiller", "restore"]

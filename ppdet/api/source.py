"""The argument of PicoDet: a name, a config, weights or an export."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.core.shipped_configs import find_config, name_hint

_RUN_CONFIG = "config.yml"  # written by a training beside its checkpoints
_CHECKPOINTS = ("best_model.pdparams", "model_final.pdparams", "interrupted.pdparams")  # of a training, the best first


@dataclass(frozen=True)
class Source:
    """A config with or without weights, or an export.

    Attributes:
        config: the config file; None for an export.
        weights: a file, a URL or a published name; None: the config decides.
        export: the folder of an export, or its file; None: there is a config.
    """

    config: Path | None = None
    weights: str | None = None
    export: Path | None = None


def find_source(given: str | Path, weights: str | Path | None = None) -> Source:
    """Find out what `given` is.

    Args:
        given: the name of a config that comes with ppdet, a config file, weights (.pdparams) beside their config, the
            output folder of a training, or an export (its folder or its file).
        weights: other weights than the ones that `given` leads to.

    Raises:
        UserError: there is no such name or file, or weights have no config beside them.
    """
    path = as_path(given, "source")
    chosen = None if weights is None else str(weights)
    if os.path.isdir(path):  # unlike Path.is_dir, False for names that are too long
        if checkpoint := trained_weights(path):
            return Source(_config_of(checkpoint), chosen or str(checkpoint))
        return _export(path, weights)
    if path.suffix == ".pdparams":
        return Source(_config_of(path), chosen or str(path))
    config = find_config(given)
    if not os.path.isfile(config):
        raise UserError(f"{given}: there is no such config, weights file or export; {name_hint(given)}")
    return Source(config, chosen) if config.suffix in (".yml", ".yaml") else _export(config, weights)


def _export(path: Path, weights: object) -> Source:
    if weights is not None:
        raise UserError(f"weights: found {weights}, but {path} has no config: an export has its own; leave them out")
    return Source(export=path)


def as_path(value: object, name: str) -> Path:
    """The path that the argument `name` gives, with the home folder for `~`. Raises UserError if it gives none."""
    if not isinstance(value, (str, Path)) or not str(value):  # Path("") is the current folder
        found = "nothing" if value == "" else type(value).__name__
        raise UserError(f"{name}: found {found}; expected a path")
    return Path(os.path.expanduser(value))


def trained_weights(folder: Path) -> Path | None:
    """The best weights in the output folder of a training; None if the folder is something else."""
    files = [folder / name for name in _CHECKPOINTS if (folder / _RUN_CONFIG).is_file()]
    return next((file for file in files if file.is_file()), None)


def _config_of(weights: Path) -> Path:
    """The config beside a weights file: `config.yml`, or one with the same name."""
    if not os.path.isfile(weights):
        raise UserError(f"{weights}: there is no such weights file; check the path")
    for file in (weights.with_name(_RUN_CONFIG), weights.with_suffix(".yml")):
        if file.is_file():
            return file
    if (shipped := find_config(weights.stem)).is_file():
        return shipped
    raise UserError(
        f"{weights}: there is no config beside it; give both, as in PicoDet(config, weights={weights.name!r})"
    )

"""The configs that come with ppdet, which can be given by name, with or without a clone."""

from __future__ import annotations

import difflib
import os
from pathlib import Path


def configs_folder() -> Path:
    """`configs/` of the clone that ppdet runs from, or the copy of it in an installed package."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def shipped_configs() -> dict[str, Path]:
    """The complete configs by name, without those that others build on."""
    files = sorted(configs_folder().glob("picodet/**/*.yml"))
    return {file.stem: file for file in files if file.parent.name != "_base_"}


def find_config(given: str | Path, folder: Path = Path()) -> Path:
    """The file that a path or a name means; a path that is not there is returned as it is.

    A file that exists wins over a shipped config. Paths that begin with `configs/`, as in the documents, are found
    without a clone as well.

    Args:
        given: a path relative to `folder`, or a name as `picodet_s_320_coco_lcnet`, with or without `.yml`.
    """
    path, name, root = folder / os.path.expanduser(given), Path(given), configs_folder()
    if os.path.exists(path):  # unlike Path.exists, False for names that are too long
        return path
    if name.parts[:1] == (root.name,) and os.path.isfile(root.parent / name):
        return root.parent / name
    return shipped_configs().get(name.name.removesuffix(".yml"), path) if len(name.parts) == 1 else path


def name_hint(given: str | Path) -> str:
    """The advice for a config that is not there: `give the path of a config or a name, as …`."""
    close = difflib.get_close_matches(Path(given).stem, shipped_configs(), n=3, cutoff=0.5)
    names = f", as {' or '.join(close)}" if close else ""
    return f"give the path of a config or a name{names}; ppdet config --list prints all names"

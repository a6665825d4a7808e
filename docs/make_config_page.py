"""Write the list of all keys in docs/config.md: python3 docs/make_config_page.py

The list follows the line MARK of the page. It is made from `Settings` and from the classes that configs can name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_type_hints

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a clone, installed or not

from ppdet.catalog import load_classes
from ppdet.core.compat import IGNORED_KEYS, SLOTS, SWITCHES
from ppdet.core.config import thaw
from ppdet.core.option_docs import meaning, summary, values, values_of
from ppdet.core.registry import class_table, parameters_of
from ppdet.core.settings import ExportSettings, Settings
from ppdet.core.yaml_dump import dump_inline

PAGE = Path(__file__).with_name("config.md")
MARK = "<!-- The rest of this page is written by docs/make_config_page.py. -->\n"
# Heading -> the package of its classes.
GROUPS = {
    "Readers": "ppdet.data.loading",
    "Datasets": "ppdet.data.datasets",
    "Transforms": "ppdet.data.transforms",
    "Model": "ppdet.modeling",
    "Learning rate and optimizer": "ppdet.optim",
    "Distillation": "ppdet.distillation",
    "Teachers": "ppdet.teacher_labels",
}


def key_list() -> str:
    """The second half of the page."""
    load_classes()
    parts = ["## All keys", "### Run keys", _table(_run_keys(Settings)), "### The section `export`"]
    parts += [_table(_run_keys(ExportSettings)), "### Keys without effect", _ignored_keys()]
    for heading, package in GROUPS.items():
        parts.append(f"### {heading}")
        for text, names in _alike([cls for cls in class_table().values() if cls.__module__.startswith(f"{package}.")]):
            parts += [f"#### {', '.join(names)}", text]
    return "\n\n".join(parts) + "\n"


def _alike(classes: list[type]) -> list[tuple[str, list[str]]]:
    """The text about each class with the names of all classes that have the same text."""
    names: dict[str, list[str]] = {}
    for cls in sorted(classes, key=lambda cls: cls.__name__):
        names.setdefault(_about(cls), []).append(cls.__name__)
    return list(names.items())


def _about(cls: type) -> str:
    """The options of a class, and what existing configs may say besides them."""
    rows = []
    for parameter in parameters_of(cls).values():
        default = "required" if parameter.required else _code(parameter.default)
        shared = "the top-level key, else " if parameter.shared else ""
        rows.append((f"`{parameter.name}`", values(parameter), shared + default, meaning(cls, parameter.name)))
    ignored, fixed = getattr(cls, "ignored_options", {}), getattr(cls, "fixed_options", {})
    notes = [f"`{name}`" + f" ({text})" * bool(text) for name, text in ignored.items()]
    only = [f"`{name}` ({values_of(annotation)})" for name, annotation in fixed.items()]
    parts = ["" if cls.__module__.endswith(".reader") else summary(cls), _table(rows) if rows else "No options."]
    parts += [f"Without effect: {', '.join(notes)}."] * bool(notes)
    parts += [f"Accepted with one value: {', '.join(only)}."] * bool(only)
    return "\n\n".join(filter(None, parts))


def _run_keys(cls: type) -> Iterator[tuple[str, str, str, str]]:
    hints = get_type_hints(cls, include_extras=True)
    for option in fields(cls):  # type: ignore[arg-type]  # both are dataclasses
        if option.name != "export":
            default = "required" if option.default is MISSING else _code(option.default)
            yield f"`{option.name}`", values_of(hints[option.name]), default, meaning(cls, option.name)
    if cls is Settings:
        for slot in SLOTS:
            yield f"`{slot}`", "a dataset", "", "the images of training, evaluation or inference; see Datasets"


def _ignored_keys() -> str:
    rows = [f"| `{key}` | {instead} |" for key, instead in IGNORED_KEYS.items()]
    switches = ", ".join(f"`{name}`" for name in SWITCHES)
    return "\n".join(["| key | instead |", "| --- | --- |", *rows]) + f"\n\nAccepted when they are off: {switches}."


def _table(rows: Any) -> str:
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(["| key | values | default | meaning |", "| --- | --- | --- | --- |", *lines])


def _code(value: Any) -> str:
    return f"`{dump_inline(thaw(value))}`"


def page() -> str:
    """The whole page: what is written by hand, and the list."""
    return PAGE.read_text(encoding="utf-8").partition(MARK)[0] + MARK + "\n" + key_list()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

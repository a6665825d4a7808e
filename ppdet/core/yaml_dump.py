"""Values -> YAML text that `yaml_text.parse` reads as the same values."""

from __future__ import annotations

from typing import Any

import yaml

from ppdet.core.yaml_text import EXPONENT_FIRST, EXPONENT_FLOAT

_WIDTH = 120


class _Dumper(yaml.SafeDumper):
    """SafeDumper that writes values out instead of aliases, and quotes texts as 1e-4, which would be read as floats."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT_FLOAT, EXPONENT_FIRST)


def dump(tree: dict[str, Any]) -> str:
    """A config as a file has it: one line for each mapping or list without others inside."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=None)


def dump_inline(value: Any) -> str:
    """A value on one line, as `-o` takes it."""
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**9, default_flow_style=True)
    return text.removesuffix("\n...\n").rstrip("\n")

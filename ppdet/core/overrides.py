"""`-o a.b.c=value`: the value is YAML, and list items are named by their index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ppdet.core.config_files import merge
from ppdet.core.errors import UserError
from ppdet.core.yaml_text import parse

_LONGEST = 1000  # characters of an override in a message


def parse_override(text: str) -> tuple[list[str], Any]:
    """The keys and the value of `a.b.c=value`."""
    dotted, equals, value = text.partition("=")
    keys = dotted.strip().split(".")
    if not equals or not all(keys):
        raise UserError(f"-o {text}: expected key.path=value, as in -o LearningRate.base_lr=0.08")
    return keys, parse(value, f"-o {text[:_LONGEST]}").value


def apply_override(tree: dict[str, Any], text: str) -> dict[str, Any]:
    """`tree` with `a.b.c=value` applied, as a new tree; mappings missing on the way are made."""
    keys, parsed = parse_override(text)

    def replaced(node: Any, depth: int) -> Any:
        if depth == len(keys):
            return merge(node, parsed)
        key, at = keys[depth], ".".join(keys[:depth])
        if isinstance(node, list):
            if not key.isdecimal() or int(key) >= len(node):
                raise UserError(f"-o {text}: {at} is a list of {len(node)}; give an index below that, not {key!r}")
            index = int(key)
            return [*node[:index], replaced(node[index], depth + 1), *node[index + 1 :]]
        node = {} if node is None else node
        if not isinstance(node, dict):
            raise UserError(f"-o {text}: {at} is {node!r}, neither a mapping nor a list; nothing can be set inside it")
        return merge(node, {key: replaced(node.get(key), depth + 1)})

    return replaced(tree, 0)  # type: ignore[no-any-return]  # a dict stays a dict


def dotted_keys(keys: Sequence[str], value: Any) -> Iterator[str]:
    """The dotted key of a value and those of everything in it."""
    yield ".".join(keys)
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from dotted_keys([*keys, str(key)], item)

"""YAML text -> plain values, within limits: mappings with string keys, lists, strings, numbers, dates."""

from __future__ import annotations

import datetime
import logging
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from ppdet.core.errors import UserError

logger = logging.getLogger(__name__)

LONGEST = 2**18  # characters of a config with its bases, each alias written out; the published ones have 5,000
_DEEPEST = 50
_LARGEST = 2**63
EXPONENT_FLOAT = re.compile(r"^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$")
EXPONENT_FIRST = list("-+.0123456789")  # what such a number begins with
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
_TOO_DEEP = "an alias contains itself or the nesting is too deep; write the values out"
_PLAIN = (str, int, float, type(None), datetime.date)


class Tagged(dict[str, Any]):
    """A mapping written as `!Tag {…}`; it replaces the value of a base instead of merging with it."""


class _Loader(yaml.SafeLoader):
    """SafeLoader plus `!Tag` mappings and floats such as `1e-4`, which YAML 1.1 takes for strings."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # A warning, not an error: published configs repeat keys.
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key in [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]:
            if key.value in seen:
                line = key.start_mark.line + 1
                logger.warning("%s:%d: %r is given twice; this one wins", self.name, line, key.value)
            seen.add(key.value)
        return node

    def construct_tag(self, suffix: str, node: yaml.Node) -> Tagged:
        options: dict[Any, Any] = {}
        problem = None
        if isinstance(node, yaml.MappingNode):
            options = self.construct_mapping(node, deep=True)
            problem = "has a 'name' key as well" if "name" in options else None
        elif node.value:
            problem = f"takes a mapping, as in !{suffix} {{key: value}}"
        if problem:
            raise yaml.constructor.ConstructorError(None, None, f"!{suffix} {problem}", node.start_mark)
        return Tagged({"name": suffix} | options)

    def construct_number(self, node: yaml.ScalarNode) -> Any:
        is_float = node.tag.endswith("float")
        if ":" in node.value:
            problem = f"{node.value} would be a number to the base of 60; write it with decimals, or quote the text"
        elif not is_float and _OCTAL.fullmatch(node.value):
            problem = f"{node.value} would be a number to the base of 8; write it without the 0, or quote the text"
        elif len(node.value) > 100:
            problem = f"a number of {len(node.value)} characters"
        else:
            return self.construct_yaml_float(node) if is_float else self.construct_yaml_int(node)
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


_Loader.add_multi_constructor("!", _Loader.construct_tag)
for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _Loader.construct_number)
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT_FLOAT, EXPONENT_FIRST)


class Document(NamedTuple):
    """YAML text that was read."""

    value: Any
    length: int  # in characters, with each alias written out
    lines: dict[str, int]  # the line, from 1, of each dotted key and list item


def parse(text: str, where: str) -> Document:
    """Read YAML `text`.

    Args:
        text: one document.
        where: a file or an option. Errors begin with it, followed by the line of a file.

    Raises:
        UserError: no YAML, too long, too deep, or a value that no config holds.
    """
    check_length(len(text), where)
    try:
        loader = _Loader(text)
        loader.name = where
        node = loader.get_single_node()
        length = max(len(text), _length(node, {}, 0) if node else 0)
        check_length(length, where)
        lines = dict(_key_lines(node)) if node else {}  # before construction, which changes nodes that have a `<<`
        value = loader.construct_document(node) if node else None
    except RecursionError:
        raise UserError(f"{where}: {_TOO_DEEP}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise UserError(f"{where}{line}: not a valid config, {problem}") from None
    except (ValueError, TypeError, AttributeError) as error:  # PyYAML's own, for `0b`, an impossible date, `!!omap`
        raise UserError(f"{where}: not a valid config, {error}") from None
    _check(value, where)
    return Document(value, length, lines)


def check_length(length: int, where: str) -> None:
    """Raise UserError if a config is longer than it may be."""
    if length > LONGEST:
        most = f"a config has at most {LONGEST:,} characters, with its bases and with each alias written out"
        raise UserError(f"{where}: too long; {most}")


def _key_lines(node: yaml.Node, key: str = "") -> Iterator[tuple[str, int]]:
    """(dotted key, line) of everything in a node; keys of a `<<` come before those that replace them."""
    pairs: list[tuple[str, yaml.Node, yaml.Node]] = []  # name, where it stands, value
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.tag == "tag:yaml.org,2002:merge":
                for merged in [value] if isinstance(value, yaml.MappingNode) else value.value:
                    yield from _key_lines(merged, key)
            elif isinstance(name, yaml.ScalarNode):
                pairs.append((name.value, name, value))
    elif isinstance(node, yaml.SequenceNode):
        pairs = [(str(index), item, item) for index, item in enumerate(node.value)]
    for text, place, value in pairs:
        dotted = f"{key}.{text}" if key else text
        yield dotted, place.start_mark.line + 1
        yield from _key_lines(value, dotted)


def _length(node: yaml.Node, known: dict[int, int], depth: int) -> int:
    """Characters of a node with each alias written out. known: lengths by id; 0 for a node that is not finished."""
    if isinstance(node, yaml.ScalarNode):
        return len(node.value) + 2
    if depth > _DEEPEST or known.get(id(node)) == 0:
        raise RecursionError
    if id(node) not in known:
        known[id(node)] = 0
        pairs = node.value if isinstance(node, yaml.MappingNode) else [(item,) for item in node.value]
        known[id(node)] = 2 + sum(_length(part, known, depth + 1) for pair in pairs for part in pair)
    return known[id(node)]


def _check(value: Any, where: str, key: str = "") -> None:
    """Raise UserError for a key that is no string, and for a value that no config holds. key: the dotted key so far."""
    found = ""
    if isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(name, str):
                raise UserError(f"{where}: key {name!r} is {type(name).__name__}; keys are strings, quote it")
            _check(name, where, f"a key of {key}" if key else "a key")
            _check(item, where, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check(item, where, f"{key}.{index}" if key else str(index))
    elif not isinstance(value, _PLAIN):
        found = f"is a {type(value).__name__}; a config holds mappings, lists, text and numbers"
    elif isinstance(value, int) and abs(value) >= _LARGEST:
        found = f"is a number of {value.bit_length()} bits; numbers have at most 63"
    elif isinstance(value, str) and ("\0" in value or re.search("[\ud800-\udfff]", value)):
        found = f"is {value!r}, with a character that no text has"
    if found:
        raise UserError(f"{where}: {key or 'the value'} {found}")

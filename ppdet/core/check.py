"""Checks every key of a config, whether or not a run uses it, without building anything."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from ppdet.core.builder import Builder, NamedClass, Setting, as_section
from ppdet.core.compat import IGNORED_KEYS, SLOTS, SWITCHES, TOOL_CLASSES, TRAINING_SECTIONS
from ppdet.core.config import Config
from ppdet.core.errors import UserError, nearest
from ppdet.core.overrides import dotted_keys, parse_override
from ppdet.core.registry import Parameter, parameters_of
from ppdet.core.settings import Settings
from ppdet.core.typecheck import check_type

logger = logging.getLogger(__name__)


def check_config(builder: Builder) -> dict[str, str]:
    """Check the types and names of all keys. Whether required options are there is left to `Builder.build`.

    Returns:
        The dotted keys that have no effect, with what to do instead ("" if nothing is to be done). They are keys of
        PaddleDetection that mean nothing here, and options that no part of the run reads.

    Raises:
        UserError: an unknown key or class, or a value of the wrong type or out of range.
    """
    builder.named_class(Settings.from_config(builder.cfg).architecture, "architecture")
    parameters = [p for cls in builder.classes.values() for p in parameters_of(cls).values() if p.shared]
    ignored: dict[str, str] = {}
    for key, value in builder.cfg.items():
        ignored |= _check_top_level(builder, key, value, parameters)
    return ignored | _unread(builder)


def without_training(builder: Builder, overrides: Sequence[str]) -> Builder:
    """Leave out the sections that only a training reads and that are wrong, each with a warning.

    Raises:
        UserError: one of the `overrides` (`a.b.c=value`) sets a key of such a section.
    """
    given = {key.partition(".")[0] for text in overrides for key in dotted_keys(*parse_override(text))}
    wrong = set()
    for section in TRAINING_SECTIONS:
        try:
            if section in builder.cfg:
                _check_top_level(builder, section, builder.cfg[section], [])
        except UserError as error:
            if section in given:
                raise
            logger.warning("%s; only a training needs it", error)
            wrong.add(section)
    left = {key: value for key, value in builder.cfg.items() if key not in wrong}
    return Builder(Config(left), builder.classes) if wrong else builder


def _check_top_level(builder: Builder, key: str, value: Any, shared: list[Parameter]) -> dict[str, str]:
    if key in SLOTS:
        return _check_options(builder, builder.named_class(value, key))
    if key in builder.classes:
        return _check_options(builder, NamedClass(builder.classes[key], as_section(value, key), key))
    if key in IGNORED_KEYS or (key in SWITCHES and not value):
        return {key: IGNORED_KEYS.get(key, "")}
    for parameter in shared:
        if parameter.name == key:
            check_type(value, parameter.annotation, key)
    known = {parameter.name for parameter in shared} | {field.name for field in fields(Settings)}
    if key not in known:
        what = f"no class {key!r} is registered" if isinstance(value, Mapping) else "no such key"
        raise UserError(f"{key}: {what}{nearest(key, {*known, *builder.classes, *SLOTS, *IGNORED_KEYS})}")
    return {}


def _check_options(builder: Builder, named: NamedClass) -> dict[str, str]:
    """Check the options that stand beside the name of a class. Returns those that the class ignores."""
    ignored = {}
    for name, value in named.inline.items():
        setting = Setting(value, f"{named.key}.{name}", "inline mapping")
        parameter = builder.parameter(named.cls, name, setting)
        if parameter is None and name in getattr(named.cls, "ignored_options", {}):
            ignored[setting.key] = named.cls.ignored_options[name]  # type: ignore[attr-defined]  # asked above
        for part in builder.parts(parameter, setting) if parameter else ():
            ignored |= _check_options(builder, part)
    return ignored


def roots(builder: Builder) -> dict[str, NamedClass]:
    """The classes that a run builds by name: the architecture, the datasets and `TOOL_CLASSES`, by the naming key."""
    model = builder.named_class(Settings.from_config(builder.cfg).architecture, "architecture")
    slots = {slot: builder.named_class(builder.cfg[slot], slot) for slot in SLOTS if slot in builder.cfg}
    tools = {name: builder.named_class(name, name) for name in TOOL_CLASSES if name in builder.classes}
    return {model.key: model} | slots | tools


def _unread(builder: Builder) -> dict[str, str]:
    """The options in top-level sections that no part of the run reads, with the reason."""
    winners: dict[tuple[str, str], str] = {}  # class and option -> the key that gives its value
    read = set()
    for root in roots(builder).values():
        for named, name, setting in builder.walk(root):
            read.add(setting.key)
            winners[named.cls.__name__, name] = setting.key
    unread = {}
    for section in (key for key in builder.cfg if key in builder.classes):
        for name in as_section(builder.cfg[section], section):
            key = f"{section}.{name}"
            if key in read:
                continue
            winner = winners.get((section, name))
            unread[key] = f"{winner} wins; set that" if winner else f"this config names no {section}"
    return unread

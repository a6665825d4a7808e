"""Builds the objects that a config names.

A class takes each option from the first of these that has it: finished parts that the caller hands to `build`; the
mapping in which the class is named; the class's own top-level section; the section of the class that it names as its
`base_section`; for `Shared` parameters the top-level key of that name; the constructor's default. An example:

    num_classes: 3                                                      # a shared top-level key
    LCNet: {scale: 0.75}                                                # the section of a class
    PicoHeadV2: {nms: {name: MultiClassNMS, keep_top_k: 50}, …}
    PicoDet: {backbone: LCNet, neck: LCPAN, head: PicoHeadV2}

`Builder(cfg).build("PicoDet")` looks up the settings of the `NamedClass` PicoDet. The one of `backbone` is "LCNet" and
has the key `PicoDet.backbone`. The parameter is a Component, so "LCNet" names another class, whose options stand under
the key `LCNet`: `LCNet.scale` is 0.75. The same way `PicoDet.head` leads to PicoHeadV2; its `num_classes` is 3, from
the key `num_classes`; its `nms` names MultiClassNMS, whose options stand under `PicoHeadV2.nms`: the setting of
`keep_top_k` is 50 and has the key `PicoHeadV2.nms.keep_top_k`. That is how it is named in messages and in `-o`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ppdet.core.config import Config
from ppdet.core.errors import UserError, nearest
from ppdet.core.registry import Parameter, class_table, parameters_of
from ppdet.core.typecheck import check_type, converted, fits, shown

Source = Literal["inline mapping", "class section", "shared top-level key", "constructor default"]


@dataclass(frozen=True)
class NamedClass:
    """A class as the config names it."""

    cls: type
    inline: Mapping[str, Any]  # the options that stand beside the name
    key: str  # the dotted key under which those options stand


@dataclass(frozen=True)
class Setting:
    """The value of an option, and the dotted key of the config that gave it."""

    value: Any
    key: str
    source: Source


class Builder:
    """Builds the objects a config names. Holds the config, changes nothing: building twice gives two equal objects.

    `classes` replaces the class table (for tests).
    """

    def __init__(self, cfg: Config, classes: Mapping[str, type] | None = None) -> None:
        self.cfg = cfg
        self.classes = class_table() if classes is None else classes

    def build(self, name: str | Mapping[str, Any], key: str = "", **finished: Any) -> Any:
        """An object of the class that `name` names: `"LCNet"`, `{name: LCNet, …}` or `{LCNet: {…}}`.

        Args:
            name: a class, with or without options. Values of the config arrive as plain dicts and lists.
            key: the dotted key of `name`, for messages.
            **finished: constructor arguments that win over the config and are passed as they are.

        Raises:
            UserError: no such class or option, a value of the wrong type, or a required option that nobody gives.
        """
        return self._build(self.named_class(name, key), finished, outer=())

    def _build(self, named: NamedClass, finished: Mapping[str, Any], outer: tuple[str, ...]) -> Any:
        """Build `named`. outer: the keys of the parts that it is inside of."""
        arguments = dict(finished)
        for name, setting in self.settings(named).items():
            parameter = self.parameter(named.cls, name, setting)
            if parameter is None or name in finished:
                continue
            inner = _inside(outer, setting.key)
            parts = [self._build(part, {}, inner) for part in self.parts(parameter, setting)]
            if parameter.component == "many":
                arguments[name] = parts
            else:
                arguments[name] = parts[0] if parts else converted(setting.value, parameter.annotation)
        for parameter in parameters_of(named.cls).values():
            if parameter.required and parameter.name not in arguments:
                raise UserError(f"{named.key}.{parameter.name}: required, not given")
        return named.cls(**arguments)

    def walk(self, named: NamedClass, outer: tuple[str, ...] = ()) -> Iterator[tuple[NamedClass, str, Setting]]:
        """Yield (class, option, setting) for every option that the config sets in `named` and in the parts it names."""
        for name, setting in self.settings(named).items():
            yield named, name, setting
            if parameter := self.parameter(named.cls, name, setting):
                inner = _inside(outer, setting.key)
                for part in self.parts(parameter, setting):
                    yield from self.walk(part, inner)

    def settings(self, named: NamedClass) -> dict[str, Setting]:
        """The options that the config sets for a class, by name; defaults and finished parts are not among them."""
        name = named.cls.__name__
        shared = [p.name for p in parameters_of(named.cls).values() if p.shared and p.name in self.cfg]
        found = {key: Setting(self.cfg[key], key, "shared top-level key") for key in shared}
        for owner in (getattr(named.cls, "base_section", name), name):
            section = as_section(self.cfg.get(owner), owner)
            found |= {key: Setting(value, f"{owner}.{key}", "class section") for key, value in section.items()}
        source: Source = "class section" if named.key == name else "inline mapping"
        return found | {key: Setting(value, f"{named.key}.{key}", source) for key, value in named.inline.items()}

    def named_class(self, value: Any, key: str, expected: type = object) -> NamedClass:
        """The class that `value`, which stands under the dotted `key`, names.

        Raises:
            UserError: `value` names no class, one that is not registered, or one that is no `expected`.
        """
        if isinstance(value, str):
            name, inline, inline_key = value, None, value
        elif isinstance(value, Mapping) and "name" in value:
            name, inline_key = value["name"], key or str(value["name"])
            inline = {option: item for option, item in value.items() if option != "name"}
        elif isinstance(value, Mapping) and len(value) == 1:
            ((name, inline),) = value.items()
            inline_key = f"{key}.{name}" if key else name
        else:
            ways = "Name, {name: Name} or {Name: {}}"
            raise UserError(f"{key or 'build'}: expected a class ({ways}), found {shown(value)}")
        check_type(name, str, f"{key}.name" if key else "name")
        if name not in self.classes:
            raise UserError(f"{key or name}: no class {name!r} is registered{nearest(name, self.classes)}")
        if not issubclass(self.classes[name], expected):
            raise UserError(f"{key}: expected a {expected.__name__}, found the class {name!r}")
        return NamedClass(self.classes[name], as_section(inline, inline_key), inline_key)

    def parameter(self, cls: type, name: str, setting: Setting) -> Parameter | None:
        """The parameter `name` of `cls`; None if the class ignores it, or if its only possible value is given.

        Raises:
            UserError: the class has no such option, or no longer, or it is fixed to another value.
        """
        parameters, removed = parameters_of(cls), getattr(cls, "removed_options", {})
        fixed = getattr(cls, "fixed_options", {})
        if name in fixed:
            check_type(setting.value, fixed[name], setting.key)
        elif name in removed:
            raise UserError(f"{setting.key}: is no longer an option; {removed[name]}")
        elif name not in parameters and name not in getattr(cls, "ignored_options", {}):
            raise UserError(f"{setting.key}: {cls.__name__} has no option {name!r}{nearest(name, parameters)}")
        return parameters.get(name)

    def parts(self, parameter: Parameter, setting: Setting) -> list[NamedClass]:
        """The parts that a setting names; none if it is a plain value, whose type is then checked."""
        value, key = setting.value, setting.key
        if parameter.component == "" or (value is None and fits(None, parameter.annotation)):
            check_type(value, parameter.annotation, key)
            return []
        if parameter.component == "one":
            return [self.named_class(value, key, parameter.part_class)]
        check_type(value, list, key)
        return [self.named_class(item, f"{key}.{index}", parameter.part_class) for index, item in enumerate(value)]


def _inside(outer: tuple[str, ...], key: str) -> tuple[str, ...]:
    if key in outer:
        raise UserError(f"{key}: contains itself: {' -> '.join((*outer, key))}")
    return (*outer, key)


def as_section(value: Any, key: str) -> Mapping[str, Any]:
    """The options in a section; an empty section reads as null in YAML."""
    if value is None:
        return {}
    check_type(value, dict, key)
    return value  # type: ignore[no-any-return]  # checked above

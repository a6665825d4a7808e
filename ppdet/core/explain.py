"""The value of a key of a config, where the value comes from, and what it means."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, get_type_hints

from ppdet.core.builder import Builder, NamedClass
from ppdet.core.check import check_config, roots
from ppdet.core.config import Config, Place, thaw
from ppdet.core.errors import UserError, nearest
from ppdet.core.option_docs import meaning, summary, values, values_of
from ppdet.core.registry import Parameter, parameters_of
from ppdet.core.settings import ExportSettings, Settings
from ppdet.core.yaml_dump import dump_inline


@dataclass(frozen=True)
class Entry:
    """One option of a config, in words."""

    key: str
    value: Any
    source: str  # what gives the value, and its place
    values: str  # that the option takes
    meaning: str

    def __str__(self) -> str:
        lines = [f"{self.key}: {dump_inline(thaw(self.value))}"]
        for label, text in (("from", self.source), ("takes", self.values), ("means", self.meaning)):
            lines += textwrap.wrap(text, 110, initial_indent=f"  {label:<6} ", subsequent_indent=" " * 9)
        return "\n".join(lines)


class Explainer:
    """Explains the keys of a config.

    Args:
        builder: holds the config, which is checked.
        places: where each key is set, as `load_with_places` returns them.
    """

    def __init__(self, builder: Builder, places: Mapping[str, Place]) -> None:
        self.builder, self.cfg, self.places = builder, builder.cfg, places
        self.ignored = check_config(builder)
        built = _named_classes(builder)
        self.used = {named.cls for named in built.values()}
        self.sections = {named.key: named for named in built.values()} | built
        for name, cls in builder.classes.items():
            self.sections.setdefault(name, NamedClass(cls, {}, name))

    def explain(self, key: str) -> str:
        """The paragraphs about a dotted key: about one option, or about each option of a section.

        Raises:
            UserError: the config has no such key.
        """
        paragraphs = [str(entry)] if (entry := self.entry(key)) else []
        if named := self.sections.get(key):
            paragraphs.append(f"{named.key}, the options of {named.cls.__name__}: {summary(named.cls)}")
            paragraphs += (str(self._option(named, each)) for each in parameters_of(named.cls).values())
        elif key == "export":
            paragraphs = [str(each) for each in self._run_keys() if each.key.startswith("export.")]
        if not paragraphs:
            raise UserError(f"{key}: no such key{nearest(key, self._known())}")
        return "\n\n".join(paragraphs)

    def entry(self, key: str) -> Entry | None:
        """The option `key`, or the part `key` of an option's value; None if there is neither."""
        for each in self._run_keys():
            if each.key == key:
                return each
        section, _, name = key.rpartition(".")
        named = self.sections.get(section)
        if named and (parameter := parameters_of(named.cls).get(name)):
            return self._option(named, parameter)
        value, outer = _part(self.cfg, key), self.entry(section) if section else None
        if value is None or key in self.sections or key == "export":
            return None
        if outer and not named:
            return replace(outer, key=key, value=value, source=self._place(key))
        text = self._no_effect(key) if key in self.ignored else "accepted, with this value only"
        return Entry(key, value, self._place(key), "", text)

    def _option(self, named: NamedClass, parameter: Parameter) -> Entry:
        name = parameter.name
        key, text = f"{named.key}.{name}", meaning(named.cls, name)
        setting = self.builder.settings(named).get(name)
        if setting is None and parameter.required:
            value, source = None, "not set; the program hands it over, or it is required"
        elif setting is None:
            value, source = parameter.default, "constructor default"
        else:
            value, source = setting.value, f"{setting.source} {_owner(setting.key)}, {self._place(setting.key)}"
            text = self._no_effect(setting.key) if setting.key in self.ignored else text
        unused = "" if named.cls in self.used else f"; not used, this config names no {named.cls.__name__}"
        return Entry(key, value, source + unused, values(parameter), text)

    def _run_keys(self) -> Iterator[Entry]:
        """The fields of Settings, those of `export` among them."""
        for cls, prefix, given in ((Settings, "", self.cfg), (ExportSettings, "export.", self.cfg.get("export") or {})):
            hints = get_type_hints(cls, include_extras=True)
            for option in fields(cls):
                key, name = prefix + option.name, option.name
                value = given.get(name, None if option.default is MISSING else option.default)
                owner = "key of export" if prefix else "top-level key"
                source = f"{owner}, {self._place(key)}" if name in given else "default"
                if key != "export":
                    yield Entry(key, value, source, values_of(hints[name]), meaning(cls, name))

    def _place(self, key: str) -> str:
        """The place of `key`, or of the nearest key above it that has one."""
        while key and key not in self.places:
            key = key.rpartition(".")[0]
        return str(self.places[key]) if key else "the name of the file"

    def _no_effect(self, key: str) -> str:
        return f"no effect here; {self.ignored[key] or 'leave it out'}"

    def _known(self) -> Iterable[str]:
        options = (f"{named.key}.{name}" for named in self.sections.values() for name in parameters_of(named.cls))
        return {*self.sections, *options, *(each.key for each in self._run_keys()), "export", *self.ignored}


def _named_classes(builder: Builder) -> dict[str, NamedClass]:
    """The classes that a run builds, by the dotted key that names each: `PicoDet.backbone`, `PicoHeadV2.nms`."""
    found = roots(builder)
    pending = list(found.values())
    while pending:
        named = pending.pop()
        for name, setting in builder.settings(named).items():
            parameter = builder.parameter(named.cls, name, setting)
            for index, part in enumerate(builder.parts(parameter, setting) if parameter else ()):
                many = parameter is not None and parameter.component == "many"
                found[f"{setting.key}.{index}" if many else setting.key] = part
                pending.append(part)
    return found


def _owner(key: str) -> str:
    """The section or mapping in which `key` stands, or a top-level key itself."""
    return key.rpartition(".")[0] or key


def _part(config: Config, key: str) -> Any:
    """The value under a dotted key of a config; None if there is none."""
    value: Any = config
    for name in key.split("."):
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, tuple) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value

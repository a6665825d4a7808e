"""Classes by name, and the Builder that turns a config into objects.

    @register
    class PicoDet(nn.Layer):
        def __init__(self, backbone: Component[nn.Layer], num_classes: Shared[int] = 80) -> None: ...

    model = Builder(cfg).build("PicoDet")

A class takes its parameters from, in this order: parts the caller hands to `build`, the inline mapping, the class's own
top-level section, a shared top-level key (parameters marked `Shared`), and the constructor's default. For the sake of
existing configs a class may also name, by class attributes,
- `ignored_options`: options without effect here -> what to do instead ("" if nothing is to be done);
- `fixed_options`: options that have one value here -> its annotation; any other value is an error.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from ppdet.core.compat import IGNORED_KEYS, SWITCHES
from ppdet.core.config import Config
from ppdet.core.errors import UserError, nearest
from ppdet.core.settings import Settings
from ppdet.core.typecheck import check_type, converted, fits, is_sequence, is_union, shown

T = TypeVar("T")

_SHARED = "shared"
_COMPONENT = "component"
Shared = Annotated[T, _SHARED]  # falls back to the top-level key of the same name
Component = Annotated[T, _COMPONENT]  # built from the config before the constructor is called

# Top-level keys that hold a spec of some class rather than the options of the class they name.
SLOTS = ("TrainDataset", "EvalDataset", "TestDataset")

_classes: dict[str, type] = {}  # the import-time class table, the only module state


def register(cls: type[T]) -> type[T]:
    """Class decorator: make `cls` nameable in configs.

    Raises:
        TypeError: the name is taken by another class, or the constructor takes *args or **kwargs.
    """
    taken = _classes.get(cls.__name__)  # the same class again is a re-import
    if taken is not None and (taken.__module__, taken.__qualname__) != (cls.__module__, cls.__qualname__):
        raise TypeError(f"two classes named {cls.__name__}: {taken.__module__} and {cls.__module__}")
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"{cls.__name__}: a registered class names its parameters, found *{parameter.name}")
    _classes[cls.__name__] = cls
    return cls


@dataclass(frozen=True)
class _Option:
    """One constructor parameter."""

    name: str
    annotation: Any
    required: bool
    shared: bool  # falls back to the top-level key of the same name
    component: Literal["", "one", "many"]  # whether values are specs to build: no, one, a list of them
    part: type  # what a component has to be an instance of


def _options_of(cls: type) -> dict[str, _Option]:
    """The constructor parameters of `cls` by name, in order."""
    # the fields of a dataclass are annotated with names of the module that they stand in, a base's included
    source = cls if is_dataclass(cls) else cls.__init__  # type: ignore[misc]  # a class, not an instance
    hints = get_type_hints(source, include_extras=True)
    options = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        hint = hints.get(name, Any)
        # Python 3.10 wraps the annotation of a parameter with the default None into Optional, mark and all
        choices = get_args(hint) if is_union(hint) else (hint,)
        shared = any(_SHARED in getattr(choice, "__metadata__", ()) for choice in choices)
        component, part = next((found for choice in choices if (found := _component(choice))[0]), ("", object))
        options[name] = _Option(name, hint, parameter.default is parameter.empty, shared, component, part)
    return options


def _component(annotation: Any) -> tuple[Literal["", "one", "many"], type]:
    """(component, part) of an _Option whose annotation, no union, this is."""
    args = get_args(annotation)
    if _COMPONENT in getattr(annotation, "__metadata__", ()):
        return "one", object if args[0] is Any else args[0]
    if args and is_sequence(get_origin(annotation)):
        inner, part = _component(args[0])
        return ("many" if inner else ""), part
    return "", object


@dataclass(frozen=True)
class _Spec:
    """A class as the config names it, with its inline options; `path` is the dotted key those options stand under."""

    cls: type
    inline: Mapping[str, Any]
    path: str


class Builder:
    """Builds the objects a config names. Holds the config, changes nothing: building twice gives two equal objects.

    `classes` replaces the class table (for tests).
    """

    def __init__(self, cfg: Config, classes: Mapping[str, type] | None = None) -> None:
        self.cfg = cfg
        self.classes = _classes if classes is None else classes

    def build(self, spec: str | Mapping[str, Any], path: str = "", **given: Any) -> Any:
        """An object of the class that `spec` names: `"LCNet"`, `{name: LCNet, …}` or `{LCNet: {…}}`.

        `path` is the dotted key of `spec`, for messages; `given` are finished constructor arguments, which win over
        the config and are passed as they are. Values of the config arrive as plain dicts and lists.

        Raises:
            UserError: no such class or option, a value of the wrong type, or a required option that nobody gives.
        """
        return self._build(self._parse(spec, path), given, inside=())

    def check(self) -> dict[str, str]:
        """Check every key of the config, whether or not this run uses it, without building anything.

        Returns the dotted keys that are accepted for the sake of existing configs but have no effect, with what to do
        instead. Whether required options are there is left to `build`, since the caller may supply them.

        Raises:
            UserError: an unknown key or class, or a value of the wrong type or out of range.
        """
        self._parse(Settings.from_config(self.cfg).architecture, "architecture")
        shared = [option for cls in self.classes.values() for option in _options_of(cls).values() if option.shared]
        ignored: dict[str, str] = {}
        for key, value in self.cfg.items():
            ignored |= self._check_top_level(key, value, shared)
        return ignored

    def _build(self, spec: _Spec, given: Mapping[str, Any], inside: tuple[str, ...]) -> Any:
        arguments = dict(given)
        for key, (value, path) in self._sources(spec).items():
            option = self._option(spec.cls, key, value, path)
            if option is None or key in given:
                continue
            if path in inside:
                raise UserError(f"{path}: contains itself: {' -> '.join((*inside, path))}")
            parts = [self._build(part, {}, (*inside, path)) for part in self._parts(value, option, path)]
            if option.component == "many":
                arguments[key] = parts
            else:
                arguments[key] = parts[0] if parts else converted(value, option.annotation)
        for option in _options_of(spec.cls).values():
            if option.required and option.name not in arguments:
                raise UserError(f"{spec.path}.{option.name}: required, not given")
        return spec.cls(**arguments)

    def _sources(self, spec: _Spec) -> dict[str, tuple[Any, str]]:
        """What the config says about the options of `spec`: name -> (value, dotted key it stands under)."""
        name = spec.cls.__name__
        shared = [option.name for option in _options_of(spec.cls).values() if option.shared and option.name in self.cfg]
        section = _mapping(self.cfg.get(name), name)
        found: dict[str, tuple[Any, str]] = {key: (self.cfg[key], key) for key in shared}
        found |= {key: (value, f"{name}.{key}") for key, value in section.items()}
        return found | {key: (value, f"{spec.path}.{key}") for key, value in spec.inline.items()}

    def _parse(self, spec: Any, path: str, expected: type = object) -> _Spec:
        if isinstance(spec, str):
            name, inline, where = spec, None, spec
        elif isinstance(spec, Mapping) and "name" in spec:
            name, where = spec["name"], path or str(spec["name"])
            inline = {key: value for key, value in spec.items() if key != "name"}
        elif isinstance(spec, Mapping) and len(spec) == 1:
            ((name, inline),) = spec.items()
            where = f"{path}.{name}" if path else name
        else:
            ways = "Name, {name: Name} or {Name: {}}"
            raise UserError(f"{path or 'build'}: expected a class ({ways}), found {shown(spec)}")
        check_type(name, str, f"{path}.name" if path else "name")
        if name not in self.classes:
            raise UserError(f"{path or name}: no class {name!r} is registered{nearest(name, self.classes)}")
        if not issubclass(self.classes[name], expected):
            raise UserError(f"{path}: expected a {expected.__name__}, found the class {name!r}")
        return _Spec(self.classes[name], _mapping(inline, where), where)

    def _option(self, cls: type, key: str, value: Any, path: str) -> _Option | None:
        """The option `key` of `cls`; None if the class ignores it, or if `value` is the only one that it may have."""
        options = _options_of(cls)
        fixed = getattr(cls, "fixed_options", {})
        if key in fixed:
            check_type(value, fixed[key], path)
        elif key not in options and key not in getattr(cls, "ignored_options", {}):
            raise UserError(f"{path}: {cls.__name__} has no option {key!r}{nearest(key, options)}")
        return options.get(key)

    def _parts(self, value: Any, option: _Option, path: str) -> list[_Spec]:
        """The components that `value` names; none where it is a plain value, whose type is then checked."""
        if option.component == "" or (value is None and fits(None, option.annotation)):
            check_type(value, option.annotation, path)
            return []
        if option.component == "one":
            return [self._parse(value, path, option.part)]
        check_type(value, list, path)
        return [self._parse(item, f"{path}.{index}", option.part) for index, item in enumerate(value)]

    def _check_top_level(self, key: str, value: Any, shared: list[_Option]) -> dict[str, str]:
        if key in SLOTS:
            return self._check_options(self._parse(value, key))
        if key in self.classes:
            return self._check_options(_Spec(self.classes[key], _mapping(value, key), key))
        if key in IGNORED_KEYS or (key in SWITCHES and not value):
            return {key: IGNORED_KEYS.get(key, "")}
        for option in shared:
            if option.name == key:
                check_type(value, option.annotation, key)
        known = {option.name for option in shared} | {field.name for field in fields(Settings)}
        if key not in known:
            what = f"no class {key!r} is registered" if isinstance(value, Mapping) else "no such key"
            raise UserError(f"{key}: {what}{nearest(key, {*known, *self.classes, *SLOTS, *IGNORED_KEYS})}")
        return {}

    def _check_options(self, spec: _Spec) -> dict[str, str]:
        ignored = {}
        for key, value in spec.inline.items():
            path = f"{spec.path}.{key}"
            option = self._option(spec.cls, key, value, path)
            if option is None and key in getattr(spec.cls, "ignored_options", {}):
                ignored[path] = spec.cls.ignored_options[key]  # type: ignore[attr-defined]  # see above
            for part in self._parts(value, option, path) if option else ():
                ignored |= self._check_options(part)
        return ignored


def _mapping(section: Any, path: str) -> Mapping[str, Any]:
    """A section of options; an empty one reads as null in YAML."""
    if section is None:
        return {}
    check_type(section, dict, path)
    return section  # type: ignore[no-any-return]  # checked above

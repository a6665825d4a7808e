"""The classes that configs can name, and the marks on the parameters of their constructors.

    @register
    class PicoDet(nn.Layer):
        def __init__(self, backbone: Component[Backbone], neck: Component[Neck], head: Component[Head]) -> None: ...

    @register
    class PicoHeadV2(nn.Layer):
        def __init__(self, nms: Component[MultiClassNMS], num_classes: Shared[int] = 80) -> None: ...

A parameter marked `Component` is built from the config first, so that a constructor takes finished parts. A parameter
marked `Shared` falls back to the top-level key of its name. How values are found: `builder.py`.

A class may also name, as class attributes, options of existing configs that are no parameters of it:
- `ignored_options`: options without effect here -> what to do instead ("" if nothing is to be done);
- `fixed_options`: options that have one value here -> its annotation; any other value is an error;
- `removed_options`: options that an earlier release had -> what to do instead; they are errors everywhere.
It may also name as `base_section` a class that it extends: the options in that one's section are its own as well, and
its constructor may take them as **options.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from ppdet.core.typecheck import is_sequence, is_union

T = TypeVar("T")

_SHARED = "shared"
_COMPONENT = "component"
Shared = Annotated[T, _SHARED]  # falls back to the top-level key of the same name
Component = Annotated[T, _COMPONENT]  # built from the config before the constructor is called

_classes: dict[str, type] = {}  # filled by @register; the only module state


def register(cls: type[T]) -> type[T]:
    """Class decorator that makes `cls` nameable in configs.

    Raises:
        TypeError: the name is taken by another class, or the constructor takes *args, or **kwargs without base_section.
    """
    taken = _classes.get(cls.__name__)  # the same class again is a re-import
    if taken is not None and (taken.__module__, taken.__qualname__) != (cls.__module__, cls.__qualname__):
        raise TypeError(f"two classes named {cls.__name__}: {taken.__module__} and {cls.__module__}")
    for parameter in inspect.signature(cls).parameters.values():
        of_base = parameter.kind == parameter.VAR_KEYWORD and _extended(cls) is not None
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) and not of_base:
            raise TypeError(f"{cls.__name__}: a registered class names its parameters, found *{parameter.name}")
    _classes[cls.__name__] = cls
    return cls


def load_all(*modules: str) -> None:
    """Import `modules` by name, so that the classes they register can be named."""
    for module in modules:
        importlib.import_module(module)


def class_table() -> Mapping[str, type]:
    """A read-only view of the registered classes by name."""
    return MappingProxyType(_classes)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a registered class's constructor, which a config sets as an option."""

    name: str
    annotation: Any
    default: Any  # inspect.Parameter.empty if the parameter is required
    shared: bool  # falls back to the top-level key of the same name
    component: Literal["", "one", "many"]  # whether a value names parts to build: no, one, a list of them
    part_class: type  # the class that a part has to be an instance of

    @property
    def required(self) -> bool:
        """True if the constructor has no default."""
        return self.default is inspect.Parameter.empty


def parameters_of(cls: type) -> dict[str, Parameter]:
    """The constructor parameters of `cls` by name, in order; those that `**options` stand for come first."""
    # the fields of a dataclass are annotated with names of the module that they stand in, a base's included
    source = cls if is_dataclass(cls) else cls.__init__  # type: ignore[misc]  # a class, not an instance
    hints = get_type_hints(source, include_extras=True)
    parameters: dict[str, Parameter] = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        if parameter.kind == parameter.VAR_KEYWORD and (base := _extended(cls)):
            parameters = {**parameters_of(base), **parameters}
            continue
        hint = hints.get(name, Any)
        component, part_class = _component_of(hint)
        parameters[name] = Parameter(name, hint, parameter.default, _is_shared(hint), component, part_class)
    return parameters


def _extended(cls: type) -> type | None:
    """The class that `cls` names as its `base_section`; None if it names none that it extends."""
    name = getattr(cls, "base_section", None)
    return next((base for base in cls.__mro__[1:] if base.__name__ == name), None)


def _is_shared(annotation: Any) -> bool:
    # Python 3.10 wraps the annotation of a parameter with the default None into Optional, mark and all
    if is_union(annotation):
        return any(map(_is_shared, get_args(annotation)))
    return _SHARED in getattr(annotation, "__metadata__", ())


def _component_of(annotation: Any) -> tuple[Literal["", "one", "many"], type]:
    """`Parameter.component` and `Parameter.part_class` for an annotation."""
    args = get_args(annotation)
    if is_union(annotation):
        for choice in args:
            component, part_class = _component_of(choice)
            if component:
                return component, part_class
    elif _COMPONENT in getattr(annotation, "__metadata__", ()):
        return "one", object if args[0] is Any else args[0]
    elif args and is_sequence(get_origin(annotation)):
        component, part_class = _component_of(args[0])
        return ("many" if component else ""), part_class
    return "", object

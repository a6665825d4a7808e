from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import pytest

from ppdet.core import registry
from ppdet.core.builder import Builder
from ppdet.core.config import Config
from ppdet.core.errors import UserError
from ppdet.core.registry import Component, Shared, class_table, load_all, parameters_of, register
from tests.support.small_classes import NMS, Head, LCNet, TrainReader


class TestRegister:
    @pytest.fixture(autouse=True)
    def _own_table(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(registry, "_classes", {})

    def test_register_returns_the_class(self) -> None:
        assert register(LCNet) is LCNet
        assert registry._classes == {"LCNet": LCNet}
        assert isinstance(Builder(Config({})).build("LCNet"), LCNet)

    def test_two_classes_of_one_name(self) -> None:
        register(LCNet)
        with pytest.raises(TypeError, match="two classes named LCNet"):
            register(type("LCNet", (), {"__module__": "elsewhere"}))

    def test_a_constructor_that_swallows_anything(self) -> None:
        class Greedy:
            def __init__(self, **kwargs: int) -> None: ...

        with pytest.raises(TypeError, match="names its parameters"):
            register(Greedy)

    def test_options_of_the_class_that_is_extended(self) -> None:
        class Base:
            def __init__(self, width: int, depth: int = 2) -> None:
                self.width, self.depth = width, depth

        class Extended(Base):
            base_section = "Base"

            def __init__(self, height: int = 3, **options: int) -> None:
                super().__init__(**options)
                self.height = height

        register(Base)
        register(Extended)
        parameters = registry.parameters_of(Extended)
        assert [(each.name, each.required) for each in parameters.values()] == [
            ("width", True),
            ("depth", False),
            ("height", False),
        ]
        built = Builder(Config({"Base": {"width": 5}, "Extended": {"height": 7}})).build("Extended")
        assert (built.width, built.depth, built.height) == (5, 2, 7)
        with pytest.raises(UserError, match=r"^Extended\.with: Extended has no option 'with'"):
            Builder(Config({"Base": {"width": 5}, "Extended": {"with": 7}})).build("Extended")

    def test_modules_are_loaded_by_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        text = "from ppdet.core.registry import register\n@register\nclass Mine:\n    pass\n"
        (tmp_path / "classes_of_mine.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        load_all("classes_of_mine")
        assert class_table() == {"Mine": sys.modules.pop("classes_of_mine").Mine}

    def test_the_table_cannot_be_changed_from_outside(self) -> None:
        with pytest.raises(TypeError):
            class_table()["LCNet"] = LCNet  # type: ignore[index]


def test_parameters() -> None:
    found = {p.name: (p.shared, p.component, p.part_class, p.required) for p in parameters_of(Head).values()}
    assert found == {
        "nms": (False, "one", NMS, True),
        "num_classes": (True, "", object, False),
        "norm": (True, "", object, False),
        "extra": (False, "one", object, False),
        "options": (False, "", object, False),
    }
    assert parameters_of(TrainReader)["sample_transforms"].component == "many"
    assert parameters_of(Head)["num_classes"].default == 80


def test_marks_are_found_in_unions() -> None:
    class Mixed:
        def __init__(self, a: Shared[int] | None = None, b: list[Component[NMS]] | Annotated[str, 1] = "") -> None: ...

    parameters = parameters_of(Mixed)
    assert parameters["a"].shared
    assert (parameters["b"].component, parameters["b"].part_class) == ("many", NMS)

"""Modules that are imported at their first use."""

from __future__ import annotations

import sys

from ppdet.utils.lazy import optional_module


def test_a_module_is_imported_once(tmp_path, monkeypatch) -> None:
    (tmp_path / "counted_module.py").write_text(
        "import sys\nsys.counted_imports = getattr(sys, 'counted_imports', 0) + 1"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "counted_imports", 0, raising=False)
    assert optional_module("counted_module") is optional_module("counted_module")
    assert sys.counted_imports == 1


def test_a_module_whose_package_is_missing(tmp_path, monkeypatch) -> None:
    (tmp_path / "needs_more.py").write_text("import there_is_no_such_package")
    monkeypatch.syspath_prepend(tmp_path)
    assert optional_module("needs_more") is None

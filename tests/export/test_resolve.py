"""Export settings that the head decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppdet.core.errors import UserError
from ppdet.export.resolve import resolved
from tests.support.tiny import make_run, write_config

E2E = "PicoDet.head=PicoHeadE2E"


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    return write_config(tmp_path_factory.mktemp("resolve"))


@pytest.mark.parametrize(
    ("overrides", "nms", "unit"),
    [
        ([], True, "image"),
        (["export.nms=false", "export.boxes=normalized"], False, "normalized"),
        ([E2E], "none", "input"),
        ([E2E, "export.nms=none", "export.boxes=normalized"], "none", "normalized"),
        ([E2E, "export.nms=false"], False, "image"),
        ([E2E, "export.nms=false", "export.dynamic_size=true"], False, "image"),
    ],
)
def test_settings(config, overrides, nms, unit):
    settings = resolved(make_run(config, *overrides)).settings.export
    assert (settings.nms, settings.box_unit) == (nms, unit)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["export.nms=none"], "export.nms: found none, but PicoHeadV2 needs NMS; expected true or false; or set "),
        ([E2E, "export.boxes=image"], "export.boxes: found image, which takes a second input; expected input or nor"),
        ([E2E, "export.dynamic_size=true"], "export.dynamic_size: found true, but small devices need a fixed size; "),
    ],
)
def test_errors(config, overrides, message):
    with pytest.raises(UserError) as error:
        resolved(make_run(config, *overrides))
    assert str(error.value).startswith(message)
    assert "PicoHeadE2E" in str(error.value) or "export.nms=false" in str(error.value)

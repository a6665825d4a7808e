"""The models that `--model` names."""

from __future__ import annotations

import pytest

from ppdet.core.errors import UserError
from ppdet.core.shipped_configs import find_config, shipped_configs
from ppdet.data_new.models import SCALES, SIZES, find_model, parse_model
from ppdet.utils.download import PUBLISHED_WEIGHTS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("picodet_s", ("picodet_s", None)),
        ("picodet_xs_416", ("picodet_xs", 416)),
        ("picodet_l_640_coco_lcnet", ("picodet_l", 640)),
        ("picodet_m_320_coco_lcnet.yml", ("picodet_m", 320)),
    ],
)
def test_parse(text: str, expected: tuple[str, int | None]) -> None:
    assert parse_model(text) == expected


@pytest.mark.parametrize("text", ["", "s_320", "picodet_s_300", "picodet_s_320\n", "yolov8n", "../picodet_s"])
def test_an_unknown_name_lists_the_known_ones(text: str) -> None:
    with pytest.raises(
        UserError, match=r"^--model: found .*picodet_xs, picodet_s, picodet_m, picodet_l.*320, 416, 640"
    ):
        parse_model(text)


def test_a_typo_gets_the_nearest_name() -> None:
    with pytest.raises(UserError, match=r"did you mean 'picodet_xs_320'"):
        parse_model("picodet_xs_32O")


@pytest.mark.parametrize(
    ("name", "size", "batch_size", "reference"),
    [
        ("picodet_xs", 320, 64, 256),
        ("picodet_xs", 416, 56, 224),
        ("picodet_s", 416, 48, 192),
        ("picodet_m", 320, 48, 192),
        ("picodet_l", 320, 24, 96),
        ("picodet_l", 640, 12, 48),
        ("picodet_s", 640, 12, 192),  # the reader of 640 with the rest of S 416
    ],
)
def test_published_settings(name: str, size: int, batch_size: int, reference: int) -> None:
    found = find_model(name, size)
    assert (found.name, found.batch_size, found.reference_batch_size) == (f"{name}_{size}", batch_size, reference)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", SIZES)
def test_every_model_has_bases_and_weights(scale: str, size: int) -> None:
    found = find_model(f"picodet_{scale}", size)
    assert found.weights in PUBLISHED_WEIGHTS
    assert all(find_config(base).is_file() for base in found.bases)
    name = f"picodet_{scale}_{size}_coco_lcnet"
    assert (found.bases == (name,)) == (name in shipped_configs())

"""The content of infer_cfg.yml."""

from __future__ import annotations

import pytest

from ppdet.export.infer_config import infer_config
from ppdet.session import class_categories
from tests.support.tiny import CLASSES, make_run


def content(config, *overrides: str) -> dict:
    session = make_run(config, *overrides)
    return infer_config(session, session.build_model(), class_categories(session))


def test_everything_that_a_runner_needs(tiny) -> None:
    assert content(tiny) == {
        "mode": "paddle",
        "draw_threshold": 0.5,
        "metric": "COCO",
        "use_dynamic_shape": False,
        "arch": "GFL",
        "min_subgraph_size": 3,
        "Preprocess": [
            {"type": "Resize", "interp": 2, "target_size": [64, 64], "keep_ratio": False},
            {
                "type": "NormalizeImage",
                "mean": [0.485, 0.456, 0.406],
                "std": [0.229, 0.224, 0.225],
                "is_scale": True,
            },
            {"type": "Permute"},
        ],
        "label_list": list(CLASSES),
        "category_ids": [1, 2, 3],
        "num_classes": len(CLASSES),
        "NMS": {
            "name": "MultiClassNMS",
            "nms_top_k": 1000,
            "keep_top_k": 100,
            "score_threshold": 0.3,
            "nms_threshold": 0.5,
        },
        "fpn_stride": [8, 16, 32, 64],
        "cell_offset": 0.5,
        "boxes": "image",
    }


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("export.post_process=false", "arch", "PicoDet"),
        ("export.benchmark=true", "boxes", "input"),
        ("export.boxes=normalized", "boxes", "normalized"),
        ("export.dynamic_size=true", "use_dynamic_shape", True),
        ("TestReader.inputs_def.image_shape=[1, 3, -1, -1]", "use_dynamic_shape", True),
    ],
)
def test_what_depends_on_settings(tiny, override, key, value) -> None:
    assert content(tiny, override)[key] == value


def test_a_normalization_inside_the_model_is_left_out(tiny) -> None:
    steps = content(tiny, "export.fuse_normalize=true")["Preprocess"]
    assert [step["type"] for step in steps] == ["Resize", "Permute"]


def test_defaults_are_written_out_and_padding_is_a_step(tiny) -> None:
    steps = "[{Decode: {}}, {Resize: {target_size: [64, 64]}}, {NormalizeImage: {norm_type: mean_std}}, {Permute: {}}]"
    padding = "TestReader.batch_transforms=[{PadBatch: {pad_to_stride: 32}}]"
    resize, normalize, _, pad = content(tiny, f"TestReader.sample_transforms={steps}", padding)["Preprocess"]
    assert normalize == {
        "type": "NormalizeImage",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "is_scale": True,
    }
    assert resize == {"type": "Resize", "interp": 1, "target_size": [64, 64], "keep_ratio": False}
    assert pad == {"type": "PadStride", "stride": 32}


def test_the_three_ways_to_write_a_transform(tiny) -> None:
    steps = "[Decode, {name: Resize, target_size: [64, 64], interp: 3}, {Permute: {}}]"
    assert content(tiny, f"TestReader.sample_transforms={steps}")["Preprocess"] == [
        {"type": "Resize", "interp": 3, "target_size": [64, 64], "keep_ratio": False},
        {"type": "Permute"},
    ]

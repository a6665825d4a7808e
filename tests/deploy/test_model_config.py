"""Every value of infer_cfg that cannot be right is named by its key, in one line; what upstream writes is accepted."""

from __future__ import annotations

import copy
import json
import time

import numpy as np
import pytest

from ppdet.deploy import DeployError
from ppdet.deploy.config_file import read_mapping
from ppdet.deploy.model_config import parse_config
from tests.deploy.conftest import INFER_CFG

RESIZE, NORMALIZE = INFER_CFG["Preprocess"][:2]


def changed(path: str = "", value=None, **keys):
    """INFER_CFG with other keys, or with `value` at a dotted path."""
    config = copy.deepcopy(INFER_CFG) | keys
    *parents, last = path.split(".") if path else [None]
    place = config
    for name in parents:
        place = place[int(name) if name.isdigit() else name]
    if last:
        place[last] = value
    return config


BAD = {
    "another architecture": (
        changed(arch="YOLO"),
        "arch: found YOLO; expected PicoDet, or PaddleDetection's name for it, GFL",
    ),
    "no preprocessing": ({"arch": "PicoDet", "label_list": ["a"]}, "Preprocess: missing; expected a list"),
    "no list": (changed(Preprocess="Resize"), "Preprocess: found Resize; expected a list"),
    "no mappings": (changed(Preprocess=["Resize"]), "Preprocess[0]: found text; expected keys"),
    "unknown step": (changed(Preprocess=[{"type": "Warp"}]), "Preprocess[0].type: Warp is not known"),
    "no type": (changed(Preprocess=[{"stride": 32}]), "Preprocess[0].type: missing"),
    "a step twice": (changed(Preprocess=[RESIZE, RESIZE]), "Preprocess[1].type: Resize is there twice"),
    "unknown option": (changed("Preprocess.0.max_size", 9), "Preprocess[0].max_size: Resize has no such option"),
    "BGR": (changed("Preprocess.2.to_bgr", True), "Preprocess[2].to_bgr: found true; expected false"),
    "no resize": (changed(Preprocess=[{"type": "Permute"}]), "Preprocess: no Resize"),
    "interp": (changed("Preprocess.0.interp", 77), "Preprocess[0].interp: found 77; expected a whole number of 0 to 6"),
    "interp as text": (changed("Preprocess.0.interp", "cubic"), "Preprocess[0].interp: found cubic"),
    "keep_ratio": (changed("Preprocess.0.keep_ratio", "no"), "Preprocess[0].keep_ratio: found no; expected true or"),
    "no pixels": (changed("Preprocess.0.target_size", 0), "Preprocess[0].target_size: found 0"),
    "fewer": (changed("Preprocess.0.target_size", [64, -64]), "Preprocess[0].target_size[1]: found -64"),
    "huge": (changed("Preprocess.0.target_size", [64, 10**9]), "Preprocess[0].target_size[1]: found 1000000000"),
    "three": (changed("Preprocess.0.target_size", [3, 64, 64]), "Preprocess[0].target_size: found [3, 64, 64]"),
    "one": (changed("Preprocess.0.target_size", [64]), "Preprocess[0].target_size: found [64]; expected height and"),
    "text": (changed("Preprocess.0.target_size", "64"), "Preprocess[0].target_size: found 64; expected a list"),
    "a fraction": (changed("Preprocess.0.target_size", [64.5, 64]), "Preprocess[0].target_size[0]: found 64.5"),
    "no size": (changed("Preprocess.0.target_size", None), "Preprocess[0].target_size: missing"),
    "two means": (changed("Preprocess.1.mean", [0.4, 0.4]), "Preprocess[1].mean: found [0.4, 0.4]; expected 3 num"),
    "no mean": (changed("Preprocess.1.mean", None), "Preprocess[1].mean: missing"),
    "NaN": (changed("Preprocess.1.mean", [0.4, np.nan, 0.4]), "Preprocess[1].mean[1]: found nan"),
    "std 0": (changed("Preprocess.1.std", [0.2, 0.2, 0]), "Preprocess[1].std[2]: found 0; expected a number"),
    "std text": (changed("Preprocess.1.std", ["a", 1, 1]), "Preprocess[1].std[0]: found a"),
    "is_scale": (changed("Preprocess.1.is_scale", "false"), "Preprocess[1].is_scale: found false; expected true"),
    "norm_type": (changed("Preprocess.1.norm_type", "max"), "Preprocess[1].norm_type: found max; expected mean_std or"),
    "padding": (changed(Preprocess=[RESIZE, {"type": "PadStride", "stride": 10**6}]), "Preprocess[1].stride: found"),
    "no labels": (changed(label_list=None), "label_list: missing; expected a list of the class names"),
    "labels as text": (changed(label_list="cat"), "label_list: found cat; expected a list"),
    "empty labels": (changed(label_list=[]), "label_list: found an empty list"),
    "null as a label": (changed(label_list=["cat", None]), "label_list[1]: found null; expected a name"),
    "no as a label": (changed(label_list=["cat", False]), "label_list[1]: found false; expected a name, in quotes"),
    "a list as a label": (changed(label_list=[["cat"], "dog"]), "label_list[0]: found ['cat']"),
    "ids of more classes": (
        changed(category_ids=[1, 2, 3]),
        "category_ids: found 3 ids; expected 2, one for each name",
    ),
    "ids as text": (
        changed(category_ids="1, 2"),
        "category_ids: found 1, 2; expected a list with the id of each class",
    ),
    "null as an id": (changed(category_ids=[1, None]), "category_ids[1]: found null; expected a number or a text"),
    "class count": (changed(num_classes=3), "label_list: found 2 names; expected 3, which is num_classes"),
    "unknown unit": (changed(boxes="miles"), "boxes: found miles; expected image or input or normalized"),
    "stride 0": (changed(fpn_stride=[8, 0]), "fpn_stride[1]: found 0"),
    "stride text": (changed(fpn_stride=["wide"]), "fpn_stride[0]: found wide; expected a whole number"),
    "one stride": (changed(fpn_stride=8), "fpn_stride: found 8; expected a list"),
    "cell_offset": (changed(cell_offset=np.inf), "cell_offset: found inf; expected a number of 0 to 1"),
    "threshold NaN": (changed(draw_threshold=np.nan), "draw_threshold: found nan; expected a number of 0 to 1"),
    "threshold 50": (changed(draw_threshold=50), "draw_threshold: found 50; expected a number of 0 to 1"),
    "threshold true": (changed(draw_threshold=True), "draw_threshold: found true"),
    "one threshold": (changed(thresholds=[0.5]), "thresholds: found [0.5]; expected 2 numbers"),
    "no thresholds": (changed(thresholds=[]), "thresholds: found []; expected 2 numbers"),
    "thresholds by name": (changed(thresholds={"cat": 0.5}), "thresholds: found {'cat': 0.5}; expected 2 numbers"),
    "thresholds NaN": (changed(thresholds=[0.5, np.nan]), "thresholds[1]: found nan; expected a number of 0 to 1"),
    "thresholds 1.5": (changed(thresholds=[1.5, 0.5]), "thresholds[0]: found 1.5; expected a number of 0 to 1"),
    "NMS": (changed(NMS=[1]), "NMS: found list; expected keys and values"),
    "IoU": (changed("NMS.nms_threshold", -1), "NMS.nms_threshold: found -1; expected a number of 0 to 1"),
    "score": (changed("NMS.score_threshold", "x"), "NMS.score_threshold: found x"),
    "keep none": (changed("NMS.keep_top_k", 0), "NMS.keep_top_k: found 0; expected -1 (all) or"),
    "needs_nms": (changed(needs_nms="no"), "needs_nms: found no; expected true or false"),
    "keep -5": (changed("NMS.nms_top_k", -5), "NMS.nms_top_k: found -5"),
    "checksum": (changed(checksum=12), "checksum: found something else; expected 64"),
    "a list": ([1], "found list; expected keys and values"),
    "nothing": (None, "found nothing; expected keys and values"),
    "control codes": (changed(arch="\x1b[31mred"), r"arch: found '\x1b[31mred'; expected PicoDet"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_values(kind):
    config, message = BAD[kind]
    with pytest.raises(DeployError) as raised:
        parse_config(config, "model.onnx: infer_cfg")
    assert str(raised.value).startswith(f"model.onnx: infer_cfg: {message}")
    assert str(raised.value).isprintable()


def test_thresholds_of_classes():
    assert parse_config(changed(thresholds=[0.25, 1]), "x").thresholds == (0.25, 1.0)
    for none in ({}, {"thresholds": None}):
        assert parse_config(changed(**none), "x").thresholds is None


def test_values_of_upstream():
    config = changed(
        arch="GFL",
        Preprocess=[
            {"type": "Resize", "interp": 1, "target_size": 64, "keep_ratio": True},
            {"type": "NormalizeImage", "is_scale": False, "norm_type": "none"},
            {"type": "Permute"},
            {"type": "PadStride", "stride": -1},
        ],
        tracker={"type": "JDETracker"},
        Hpi={"backend_configs": {}},
        label_list=["1", 2, "三"],
        NMS=None,
    )
    parsed = parse_config(config, "x")
    assert (parsed.size, parsed.keep_ratio, parsed.pad_stride) == ((64, 64), True, 1)
    assert parsed.labels == ("1", "2", "三")
    assert parsed.category_ids == (0, 1, 2)
    np.testing.assert_array_equal((parsed.scale, parsed.shift), [[1, 1, 1], [0, 0, 0]])


def bomb(levels: int) -> str:
    """Nine aliases a level, as a list of labels."""
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join([*lines, f"label_list: *l{levels - 1}"])


def merged(levels: int) -> str:
    lines = ["l0: &l0 {a: 1}"] + [f"l{i}: &l{i} {{<<: [{', '.join([f'*l{i - 1}'] * 9)}]}}" for i in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bomb(9), "cannot be read (more than 100000 keys and values, aliases written out)"),
        (merged(9), "cannot be read (more than 100000 keys and values, aliases written out)"),
        ("a: &a [*a]", "cannot be read (an alias that contains itself)"),
        ("a: " + "[" * 5000, "cannot be read (maximum recursion depth"),
        ("a: " + "x" * (1 << 19), "has 524291 bytes; expected at most 524288"),
        ("a: [", "cannot be read (while parsing a flow node"),
        ("a: !!python/object/apply:os.getcwd []", "cannot be read (could not determine a constructor"),
        ("标签: 猫".encode("gbk"), "not UTF-8 text (at byte 0); save it as UTF-8"),
        ("a: 1".encode("utf-16"), "not UTF-8 text (at byte 0)"),
        ("a: \0", "cannot be read (unacceptable character"),
    ],
    ids=["aliases", "merges", "itself", "deep", "large", "cut short", "code", "GBK", "UTF-16", "NUL"],
)
def test_files_that_are_not_read(content, message, tmp_path):
    file = tmp_path / "infer_cfg.yml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    start = time.monotonic()
    with pytest.raises(DeployError) as raised:
        read_mapping(tmp_path / "model.json", None)
    assert str(raised.value).startswith(f"{file}: {message}")
    assert str(raised.value).isprintable()
    assert time.monotonic() - start < 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "cannot be read (maximum recursion depth"),
        ("{", "cannot be read (Expecting property name"),
        (json.dumps("x" * (1 << 19)), "has 524290 bytes; expected at most 524288"),
    ],
    ids=["deep", "cut short", "large"],
)
def test_json_that_is_not_read(text, message, tmp_path):
    with pytest.raises(DeployError) as raised:
        read_mapping(tmp_path / "model.onnx", text)
    assert str(raised.value).startswith(f"{tmp_path / 'model.onnx'}: infer_cfg: {message}")


def test_aliases_and_a_byte_order_mark_are_read(tmp_path):
    (tmp_path / "infer_cfg.yml").write_bytes("\ufeffa: &a [1, 2]\nb: *a\n".encode())
    assert read_mapping(tmp_path / "model.json", None)[0] == {"a": [1, 2], "b": [1, 2]}

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from ppdet.core.config import Config, load_config
from ppdet.core.errors import UserError


def write(folder: Path, **texts: str) -> Path:
    """Write each text to <name>.yml and return the path of the last."""
    for name, text in texts.items():
        (folder / f"{name}.yml").write_text(text)
    return folder / f"{name}.yml"


def test_later_bases_win_and_the_file_wins_over_all(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        first="epoch: 1\nLCNet: {scale: 1.0, act: relu}\nlist: [1, 2]",
        second="epoch: 2\nLCNet: {scale: 2.0}",
        main="_BASE_: [first.yml, second.yml]\nLCNet: {scale: 3.0}\nlist: [3]",
    )
    expected = {"filename": "main", "epoch": 2, "LCNet": {"scale": 3.0, "act": "relu"}, "list": [3]}
    assert load_config(path).to_dict() == expected


def test_bases_nest_and_are_relative_to_their_file(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    write(tmp_path / "a" / "b", deep="epoch: 7")
    write(tmp_path / "a", middle="_BASE_: b/deep.yml")
    assert load_config(write(tmp_path, main="_BASE_: a/middle.yml"))["epoch"] == 7


def test_two_bases_may_share_a_base(tmp_path: Path) -> None:
    path = write(
        tmp_path, root="a: 1", left="_BASE_: root.yml", right="_BASE_: root.yml", m="_BASE_: [left.yml, right.yml]"
    )
    assert load_config(path)["a"] == 1


def test_tag_becomes_a_name_and_replaces(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        base="TestDataset: {name: COCODataSet, image_dir: val}\nTrainDataset: !COCODataSet {image_dir: train}",
        main="_BASE_: base.yml\nTestDataset: !ImageFolder {anno_path: a.json}\nTrainDataset: {anno_path: b.json}",
    )
    cfg = load_config(path)
    assert cfg["TestDataset"].to_dict() == {"name": "ImageFolder", "anno_path": "a.json"}
    assert cfg["TrainDataset"].to_dict() == {"name": "COCODataSet", "image_dir": "train", "anno_path": "b.json"}


@pytest.mark.parametrize("text", ["x: [!Permute {}]", "x: [!Permute ]", "x:\n  - !Permute"])
def test_bare_tag(tmp_path: Path, text: str) -> None:
    assert load_config(write(tmp_path, main=text))["x"] == (Config({"name": "Permute"}),)


@pytest.mark.parametrize("text", ["x:\n  !Decay\n    epochs: 3", "x: !Decay {epochs: 3}", "x: !Decay\n  epochs: 3"])
def test_layouts_of_a_tag(tmp_path: Path, text: str) -> None:
    assert load_config(write(tmp_path, main=text))["x"] == Config({"name": "Decay", "epochs": 3})


@pytest.mark.parametrize("text", ["1e-4", "4e-05", "1E4", "-1.5e3", "+.5e-1", "4.0e-05"])
def test_floats_with_an_exponent_are_floats(tmp_path: Path, text: str) -> None:
    value = load_config(write(tmp_path, main=f"x: {text}"))["x"]
    assert isinstance(value, float)
    assert value == float(text)


def test_anchors(tmp_path: Path) -> None:
    text = "h: &h 320\nsize: &size [*h, *h]\na: &a {size: *size, k: 1}\nb: {<<: *a, k: 2}"
    assert load_config(write(tmp_path, main=text))["b"].to_dict() == {"size": [320, 320], "k": 2}


def test_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    text = "a: ~/runs\nb: {c: [~/x, 'a~b', ~]}\nD: !Set {dir: ~/data}\ne: ~no-such-user/x\n"
    cfg = load_config(write(tmp_path, a=text), ["f=~/given", "b.g=~"])
    assert cfg.to_dict() == {
        "filename": "a",
        "a": "/home/me/runs",
        "b": {"c": ["/home/me/x", "a~b", None], "g": None},
        "D": {"name": "Set", "dir": "/home/me/data"},
        "e": "~no-such-user/x",
        "f": "/home/me/given",
    }


def test_overrides(tmp_path: Path) -> None:
    path = write(
        tmp_path, main="LCNet: {scale: 1.0}\nops: [{Resize: {size: 1}}, {Permute: {}}]\nD: !Folder {a: 1}\nempty:"
    )
    overrides = [
        "LCNet.scale=0.35",
        "ops.0.Resize.size=[2, 3]",
        "new.deep.key=yes",
        "D.a=2",
        "lr=1e-3",
        "weights=a=b=c",
        "empty.x=1",
        "none=",
        "LCNet={act: relu}",
    ]
    assert load_config(path, overrides).to_dict() == {
        "filename": "main",
        "LCNet": {"scale": 0.35, "act": "relu"},
        "ops": [{"Resize": {"size": [2, 3]}}, {"Permute": {}}],
        "D": {"name": "Folder", "a": 2},
        "new": {"deep": {"key": True}},
        "lr": 0.001,
        "weights": "a=b=c",
        "empty": {"x": 1},
        "none": None,
    }


def test_override_touches_one_use_of_an_anchor(tmp_path: Path) -> None:
    cfg = load_config(write(tmp_path, main="a: &a {k: 1}\nb: *a"), ["a.k=2"])
    assert (cfg["a"]["k"], cfg["b"]["k"]) == (2, 1)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("LCNet.scale", "expected key.path=value"),
        ("=1", "expected key.path=value"),
        ("a..b=1", "expected key.path=value"),
        ("LCNet.scale.x=1", "LCNet.scale is 1.0, neither a mapping nor a list"),
        ("ops.7=1", "ops is a list of 1; give an index below that, not '7'"),
        ("ops.Resize=1", "ops is a list of 1; give an index below that, not 'Resize'"),
        ("a=[1", "not a valid config"),
        ("a={1: 2}", "key 1 is int"),
    ],
)
def test_override_that_cannot_be_applied(tmp_path: Path, override: str, message: str) -> None:
    path = write(tmp_path, main="LCNet: {scale: 1.0}\nops: [1]")
    with pytest.raises(UserError) as error:
        load_config(path, [override])
    assert str(error.value).startswith(f"-o {override}")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [1, 2\nc: 3", ":3: not a valid config"),
        ("a: 1\n\tb: 2", ":2: not a valid config"),
        ("a: !!python/object:os.system {}", ":1: not a valid config, could not determine a constructor"),
        ("a: !!python/object/apply:os.system ['exit 1']", "could not determine a constructor"),
        ("a: !Resize 3", "!Resize takes a mapping"),
        ("a: !Resize {name: x}", "!Resize has a 'name' key as well"),
        ("a: *nowhere", "undefined alias"),
        ("- 1", "holds a list; a config is a mapping"),
        ("a: {1: x}", "key 1 is int; keys are strings"),
        ("_BASE_: 3", "_BASE_ is 3; expected a path or a list of paths"),
        ("a: &a {b: *a}", "an alias contains itself"),
        ("a: 2020-99-99", "not a valid config, month must be in 1..12"),
        ("{[1]: 2}", "not a valid config, found unhashable key"),
    ],
)
def test_broken_file(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, main=text)
    with pytest.raises(UserError) as error:
        load_config(path)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_repeated_key_is_warned_about(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path, main="epoch: 1\nLCNet: {scale: 1}\nepoch: 2")
    assert load_config(path)["epoch"] == 2
    assert caplog.messages == [f"{path}:3: 'epoch' is given twice; this one wins"]


def test_a_syntax_error_in_a_base_names_the_base(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"broken\.yml:1: not a valid config"):
        load_config(write(tmp_path, broken="a: [", main="_BASE_: broken.yml"))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.yml: cannot be read, no such file"):
        load_config(tmp_path / "nowhere.yml")
    with pytest.raises(UserError, match="is a directory"):
        load_config(tmp_path)


def test_binary_file(tmp_path: Path) -> None:
    (tmp_path / "model.pdparams").write_bytes(b"\x80\x04\xff")
    with pytest.raises(UserError, match="is not UTF-8 text; give the path of a config"):
        load_config(tmp_path / "model.pdparams")


def test_missing_base_names_the_chain(tmp_path: Path) -> None:
    path = write(tmp_path, middle="_BASE_: gone.yml", main="_BASE_: middle.yml")
    with pytest.raises(UserError, match=r"gone\.yml: .*main\.yml -> .*middle\.yml -> .*gone\.yml"):
        load_config(path)


def test_base_cycle_names_the_chain(tmp_path: Path) -> None:
    path = write(tmp_path, other="_BASE_: main.yml", main="_BASE_: other.yml")
    with pytest.raises(UserError, match=r"cycle: .*main\.yml -> .*other\.yml -> .*main\.yml"):
        load_config(path)


def test_config_is_immutable_and_compares_by_content(tmp_path: Path) -> None:
    path = write(tmp_path, main="LCNet: {feature_maps: [3, 4, 5]}")
    cfg, again = load_config(path), load_config(path)
    assert cfg == again == pickle.loads(pickle.dumps(cfg))
    assert hash(cfg) == hash(again)
    assert cfg["LCNet"]["feature_maps"] == (3, 4, 5)
    with pytest.raises(TypeError):
        cfg["LCNet"] = 1  # type: ignore[index]
    with pytest.raises(AttributeError, match="immutable"):
        cfg.epoch = 1  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="immutable"):
        del cfg.epoch  # type: ignore[attr-defined]
    cfg.to_dict()["LCNet"]["feature_maps"].append(6)
    assert cfg == again


def test_two_configs_never_touch_each_other(tmp_path: Path) -> None:
    write(tmp_path, base="LCNet: {scale: 1.0}\nops: [{Resize: {size: 1}}]")
    first = load_config(write(tmp_path, first="_BASE_: base.yml\nLCNet: {scale: 2.0}"))
    before = first.to_dict()
    second = load_config(write(tmp_path, second="_BASE_: base.yml"), ["LCNet.scale=3.0", "ops.0.Resize.size=9"])
    assert first.to_dict() == before
    assert second["LCNet"]["scale"] == 3.0
    assert load_config(tmp_path / "second.yml")["LCNet"]["scale"] == 1.0

"""Configs that are attacks or accidents: each ends soon, with one line."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ppdet.core.config import load_config
from ppdet.core.errors import UserError
from ppdet.core.yaml_text import LONGEST, parse

SECONDS = 10  # for what takes minutes or has no end without a limit


def laughs(levels: int, item: str = "[*a{0}, *a{0}]") -> str:
    lines = ["a0: &a0 [x, x]", *(f"a{i + 1}: &a{i + 1} {item.format(i)}" for i in range(levels))]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            laughs(40),
            "too long; a config has at most 262,144 characters, with its bases and with each alias written out",
        ),
        ("wandb:\n  " + laughs(40, "{{l: *a{0}, r: *a{0}}}").replace("\n", "\n  "), "too long"),
        ("a0: &a0 {x: 1}\n" + laughs(40, "{{<<: [*a{0}, *a{0}]}}").partition("\n")[2], "too long"),
        ("x: " + "y" * LONGEST, "too long"),
        ("# " + "y" * LONGEST, "too long"),
        ("a: &a [*a]", "an alias contains itself or the nesting is too deep; write the values out"),
        ("a: &a {b: {<<: *a}}", "an alias contains itself"),
        ("a: " + "[" * 60 + "]" * 60, "the nesting is too deep"),
        ("a: " + "[" * 5000 + "]" * 5000, "the nesting is too deep"),
        ("{a: " * 5000, "the nesting is too deep"),
        ("epoch: " + "9" * 6000, ":1: not a valid config, a number of 6000 characters"),
        ("epoch: 0x" + "f" * 6000, ":1: not a valid config, a number of 6002 characters"),
        ("epoch: " + "9" * 30, "epoch is a number of 100 bits; numbers have at most 63"),
        ("a:\n  b: [1, 0x8000000000000000]", "a.b.1 is a number of 64 bits"),
        ("epoch: 1:30", ":1: not a valid config, 1:30 would be a number to the base of 60; write it with decimals, or"),
        ("epoch: 190:20:30.15", "would be a number to the base of 60"),
        ("epoch: 010", ":1: not a valid config, 010 would be a number to the base of 8; write it without the 0, or"),
        ("a: [-0_17]", "-0_17 would be a number to the base of 8"),
        ("epoch: 3\0", "not a valid config, unacceptable character #x0000"),
        ("epoch:\t3\n\tb: 1", "not a valid config, "),
        ('epoch: "\\0"', "epoch is '\\x00', with a character that no text has"),
        ('"\\0": 1', "a key is '\\x00', with a character that no text has"),
        ('a: {b: "\\ud800"}', "a.b is '\\ud800', with a character that no text has"),
        ("a: !!binary aGk=", "a is a bytes; a config holds mappings, lists, text and numbers"),
        ("a: !!set {b}", "a is a set; a config holds"),
        ("a: !!omap [b: 1]", "a.0 is a tuple; a config holds"),
        ("a: !!omap 3", "not a valid config, "),
        ("a: !!python/name:os.system", ":1: not a valid config, could not determine a constructor"),
        ("a: !!python/object/apply:os.system [exit]", "could not determine a constructor"),
        ("--- 1\n--- 2", "not a valid config, but found another document"),
        ("a: !!timestamp x", "not a valid config, "),
        ("a: !!int x", "not a valid config, "),
        ("a: !!float []", "not a valid config, "),
        ("<<: 3", "not a valid config, expected a mapping or list of mappings for merging"),
    ],
)
def test_text_that_is_no_config(text: str, message: str) -> None:
    start = time.monotonic()
    with pytest.raises(UserError) as error:
        parse(text, "f.yml")
    assert time.monotonic() - start < SECONDS
    assert str(error.value).startswith("f.yml:")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_zeros_that_are_no_octal_numbers() -> None:
    assert parse("[0, -0, 0.5, 00.5, 0e1, 08, '010', 0x10, 0o17]", "")[0] == [
        0,
        0,
        0.5,
        0.5,
        0,
        "08",
        "010",
        16,
        "0o17",
    ]


def test_what_an_alias_is_for_still_works() -> None:
    assert parse("<<: {epoch: 1}\nb: &b [1, 2]\nc: *b", "")[0] == {"epoch": 1, "b": [1, 2], "c": [1, 2]}
    value, length, _ = parse(laughs(10), "")
    assert len(value["a10"]) == 2
    assert length > 2**11 * len("x")  # as if written out
    assert parse("", "") == (None, 0, {})


def test_the_line_of_each_key() -> None:
    text = "a: &a {b: 1,\n  c: 2}\nlist:\n- x\n- {d: 3}\nmerged:\n  b: 5\n  <<: *a\nalias: *a\ntag: !Tag\n  e: 6\n"
    assert parse(text, "").lines == {
        "a": 1,
        "a.b": 1,
        "a.c": 2,
        "list": 3,
        "list.0": 4,
        "list.1": 5,
        "list.1.d": 5,
        "merged": 6,
        "merged.b": 7,
        "merged.c": 2,
        "alias": 9,
        "alias.b": 1,
        "alias.c": 2,
        "tag": 10,
        "tag.e": 11,
    }


def config(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_files_that_name_each_other_twice(tmp_path: Path) -> None:
    for index in range(15):
        config(tmp_path, f"{index}.yml", f"_BASE_: [{index + 1}.yml, {index + 1}.yml]")
    config(tmp_path, "15.yml", "a: 1")
    with pytest.raises(UserError, match=r"\.yml: too long; a config has at most"):
        load_config(tmp_path / "0.yml")


def test_a_long_chain_of_bases(tmp_path: Path) -> None:
    for index in range(30):
        config(tmp_path, f"{index}.yml", f"_BASE_: {index + 1}.yml")
    with pytest.raises(UserError, match=r"0\.yml: _BASE_ leads through more than 20 files"):
        load_config(tmp_path / "0.yml")


def test_an_override_has_the_same_limits(tmp_path: Path) -> None:
    path = config(tmp_path, "a.yml", "a: 1")
    for value in ("[" * 60 + "]" * 60, "{a: &a [*a]}"):
        with pytest.raises(UserError, match=r"^-o b=.*: an alias contains itself or the nesting"):
            load_config(path, [f"b={value}"])
    with pytest.raises(UserError, match="a key of -o is nested too deeply"):
        load_config(path, [".".join("k" * 5000) + "=1"])


@pytest.mark.parametrize("via_base", [False, True])
def test_what_is_no_regular_file_is_not_opened(via_base: bool, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.yml")
    (tmp_path / "loop.yml").symlink_to(tmp_path / "loop.yml")
    for name, message in (
        ("fifo.yml", "fifo.yml: is not a regular file, and might never end; "),
        ("/dev/zero", "/dev/zero: is not a regular file"),
        (".", "cannot be read, is a directory"),
        ("loop.yml", "loop.yml: cannot be read, too many levels of symbolic links"),
        ("~nobody-of-this-name/a.yml", "~nobody-of-this-name/a.yml: cannot be read, no such file or directory"),
        ("a" * 300, "cannot be read, file name too long"),
    ):
        path = config(tmp_path, "main.yml", f"_BASE_: {name}") if via_base else tmp_path / name
        with pytest.raises(UserError) as error:
            load_config(path)
        assert message in str(error.value)
        assert ("reached by _BASE_" if via_base else "give the path of a config") in str(error.value)


def test_a_large_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = config(tmp_path, "large.yml", "")
    with path.open("wb") as file:
        file.truncate(2**32)  # a sparse file of 4 GB
    with pytest.raises(UserError, match="large.yml: too long"):
        load_config(path)


def test_inputs_of_the_measurements_folder(shared: Path, tmp_path: Path) -> None:
    """Those that are found there, beside a config of the name that they extend."""
    folder = shared / "faults" / "inputs" / "yaml"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    for path in sorted(folder.iterdir()):
        config(tmp_path, "tiny.yml", "epoch: 1")
        copy = tmp_path / path.name
        copy.write_bytes(path.read_bytes())
        try:
            load_config(copy)
        except UserError as error:
            assert "\n" not in str(error)  # noqa: PT017  # some are fine

"""The commands, configs, links and lines of Python in README and docs are those of this version.

Commands are parsed by the programs they name, and their configs and overrides are checked; cheap ones are run.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement

from tests.support import parse_commands

if sys.version_info >= (3, 11):
    import tomllib
else:
    from pip._vendor import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "README.zh-CN.md",
    ROOT / "deploy/python/README.md",
    *sorted(ROOT.glob("docs/*.md")),
]
PAGES = [page for page in PAGES if page.is_file()]
CONFIG = "configs/picodet/picodet_xs_320_coco_lcnet.yml"  # stands for the placeholder <config>


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"^ *```(\w*)\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL):
        yield Block(page, text.count("\n", 0, found.start()) + 1, found[1], found[2])


BLOCKS = [block for page in PAGES for block in blocks(page)]


def command_lines(text: str) -> Iterator[str]:
    """The lines of a shell block; quotes that span several are one."""
    text = re.sub(r"\\\n\s*", " ", text)
    text = re.sub(r"<config>", CONFIG, text)
    text = re.sub(r"<[^<>|&\n]+>", "placeholder", text)
    waiting = ""
    for line in text.splitlines():
        waiting = f"{waiting}\n{line}" if waiting else line
        try:
            shlex.split(waiting, comments=True)
        except ValueError:  # no closing quotation yet
            continue
        yield waiting
        waiting = ""


def commands(text: str) -> Iterator[list[str]]:
    """What a shell block calls of Python, pip and ppdet, as lists of arguments."""
    for line in command_lines(text):
        command: list[str] = []
        for word in [*shlex.split(line, comments=True), ";"]:
            if word not in ("&&", "||", "|", ";"):
                command.append(word)
                continue
            while command and re.fullmatch(r"[A-Z_]+=.*", command[0]):
                del command[0]
            if command and command[0] in (*parse_commands.PYTHON, "ppdet", "pip") and "…" not in " ".join(command):
                yield command
            command = []


COMMANDS = [(block, command) for block in BLOCKS if block.language in ("", "bash") for command in commands(block.text)]
PARSED = [(block, command) for block, command in COMMANDS if command[0] != "pip"]


def identity(value: object) -> str:
    return str(value) if isinstance(value, Block) else ""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like a clone, with the `my.yml` that the pages let the reader write, and the output of `data new`."""
    folder = tmp_path_factory.mktemp("clone")
    for path in ROOT.iterdir():
        if path.name not in ("output", "my.yml"):
            (folder / path.name).symlink_to(path)
    texts = [block.text for block in BLOCKS if block.page.name == "train_your_own.md"]
    for name, start in (("my.yml", "# my.yml"), ("bccd.yml", "# Made by ppdet data new.")):
        (folder / name).write_text(next(text for text in texts if text.startswith(start)), encoding="utf-8")
    return folder


def run_python(arguments: list[str], clone: Path, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run Python in the clone, with `text` as its input."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, input=text, cwd=clone, env=environment, capture_output=True, text=True, check=False)


def find_problems(given: list[list[str]], clone: Path) -> list[str | None]:
    """What is wrong with each command; one process parses all."""
    done = run_python([parse_commands.__file__], clone, json.dumps(given))
    assert done.returncode == 0, done.stderr
    found: list[str | None] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def problems(clone: Path) -> dict[str, str | None]:
    given = [command for _, command in PARSED]
    return dict(zip(map(shlex.join, given), find_problems(given, clone), strict=True))


@pytest.mark.parametrize(("block", "command"), PARSED, ids=identity)
def test_the_command_parses(block: Block, command: list[str], problems: dict[str, str | None]) -> None:
    assert problems[shlex.join(command)] is None, shlex.join(command)


def test_the_parser_finds_what_is_wrong(clone: Path) -> None:
    wrong = [
        ["python3", "tools/none.py"],
        ["python3", "tools/train.py", "-c", CONFIG, "--evla"],
        ["python3", "tools/train.py", "-c", "configs/none.yml"],
        ["python3", "tools/train.py", "-c", CONFIG, "-o", "TrainReader.batch_siez=3"],
        ["python3", "tools/export_model.py", "-c", CONFIG, "--format", "onx"],
        ["python3", "-m", "paddle.distributed.launch", "--gpu", "0", "tools/train.py", "-c", CONFIG, "--evla"],
        ["python3", "-c", "import"],
    ]
    right = [["python3", "tools/train.py", "-c", CONFIG, "--eval", "-o", "TrainReader.batch_size=3"]]
    *found, last = find_problems([*wrong, *right], clone)
    assert all(found), found
    assert last is None


def test_the_configs_of_the_pages_are_valid(clone: Path) -> None:
    configs = [block for block in BLOCKS if block.language == "yaml" and "_BASE_:" in block.text]
    for number, block in enumerate(configs):
        (clone / f"page{number}.yml").write_text(block.text, encoding="utf-8")
    found = find_problems([["ppdet", "config", "-c", f"page{number}.yml"] for number in range(len(configs))], clone)
    assert {str(block): problem for block, problem in zip(configs, found, strict=True) if problem} == {}


@pytest.mark.parametrize(
    ("block", "command"), [each for each in COMMANDS if each[1][:2] == ["pip", "install"]], ids=identity
)
def test_pip_installs_extras_and_packages_that_can_be_named(block: Block, command: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    words = [word for before, word in zip(command[1:], command[2:], strict=False) if before != "-r"]
    for word in (word for word in words if not word.startswith("-")):
        if word.startswith("."):
            named = re.fullmatch(r"\.(?:\[([\w,]+)\])?", word)
            assert named, word
            assert set((named[1] or "").split(",")) - {""} <= set(extras), word
        else:
            Requirement(word)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "python"], ids=str)
def test_the_lines_of_python_import_what_is_there(block: Block) -> None:
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("ppdet", "deploy"):
            module = importlib.import_module(node.module or "")
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)|(?:src|href|srcset)=\"([^\"]+)\"", text)
    local = [link.split("#")[0] for pair in links for link in pair if link and not re.match(r"https?://|#", link)]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/*.md")), ids=lambda page: page.name)
def test_a_table_or_list_is_no_part_of_the_paragraph_before_it(page: Path) -> None:
    """mkdocs wants an empty line between them; GitHub does not, so that nobody sees it there."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    lines = text.splitlines()
    starts = [
        line
        for before, line in zip(lines, lines[1:], strict=False)
        if re.match(r"\| |- |1\. ", line) and not re.match(r"$|#|\||- |\d+\. |  ", before)
    ]
    assert starts == []


CHEAP = [(block, command) for block, command in PARSED if command[:2] == ["ppdet", "config"]]


@pytest.mark.parametrize(("block", "command"), CHEAP, ids=identity)
def test_the_cheap_command_runs(block: Block, command: list[str], clone: Path) -> None:
    done = run_python(["-m", *command], clone)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout

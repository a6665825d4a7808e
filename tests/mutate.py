"""Plants the mistakes of tests/mistakes.yml, one at a time, and runs the tests that must notice; prints a table.

python -m tests.mutate [part of a file name]

It works in a copy of the clone, without `../shared`. The status is 1 if a mistake was not noticed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[1]
FAILED = 1  # pytest's status if tests ran and some failed


class Mistake(NamedTuple):
    """`old`, which occurs once in ppdet/`file`, becomes `new`; a test of one of the `tests` (files) must fail."""

    file: str
    tests: str
    old: str
    new: str


def main(wanted: str = "") -> int:
    chosen = [mistake for mistake in load_mistakes() if wanted in mistake.file]
    with tempfile.TemporaryDirectory() as folder:
        clone = copy_clone(Path(folder) / "clone")
        before = run(clone, " ".join(mistake.tests for mistake in chosen))
        if before.returncode != 0:
            print(f"the tests fail without any mistake:\n{before.stdout}{before.stderr}")
            return 1
        missed = [mistake for mistake in chosen if not is_noticed(clone, mistake)]
    print(f"{len(chosen) - len(missed)} of {len(chosen)} noticed")
    return bool(missed)


def load_mistakes() -> list[Mistake]:
    groups = yaml.safe_load(Path(__file__).with_name("mistakes.yml").read_text())
    return [Mistake(group["file"], group["tests"], *pair) for group in groups for pair in group["mistakes"]]


def copy_clone(to: Path) -> Path:
    """What git knows of the clone, and new files that it does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        if os.path.lexists(ROOT / name):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name, follow_symlinks=False)
    return to


def is_noticed(clone: Path, mistake: Mistake) -> bool:
    """Whether a test fails with the mistake; the file is as before afterwards."""
    path = clone / "ppdet" / mistake.file
    text, times, start = path.read_text(), path.stat(), time.monotonic()
    path.write_text(planted(text, mistake))
    noticed = run(clone, mistake.tests).returncode == FAILED
    path.write_text(text)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    verdict, seconds = "noticed" if noticed else "MISSED", time.monotonic() - start
    print(f"{verdict:8}{seconds:4.0f} s  {mistake.file:36}{mistake.old!r} -> {mistake.new!r}", flush=True)
    return noticed


def planted(text: str, mistake: Mistake) -> str:
    if text.count(mistake.old) != 1:
        raise ValueError(f"ppdet/{mistake.file}: has {text.count(mistake.old)} times {mistake.old!r}; expected once")
    return text.replace(mistake.old, mistake.new)


def run(clone: Path, tests: str) -> subprocess.CompletedProcess[str]:
    """Pytest on these files of tests/, up to the first failure."""
    files = [f"tests/{name}" for name in sorted(set(tests.split()))]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files]
    environment = {key: value for key, value in os.environ.items() if key != "PPDET_REQUIRE_GOLDEN"}
    environment |= {"PPDET_SHARED": str(clone.parent / "absent"), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, timeout=900)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

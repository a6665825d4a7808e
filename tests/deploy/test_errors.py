from __future__ import annotations

import pytest

from ppdet.deploy.errors import first_error_line, printable, say


def test_a_file_name_gives_the_terminal_no_commands(capsys: pytest.CaptureFixture[str]) -> None:
    say("a  b/\x1b[31m\u202egpj.\r\nc")
    say("error: \udcff.jpg", error=True)
    assert capsys.readouterr() == ("a  b/\\x1b[31m\\u202egpj. c\n", "error: \\udcff.jpg\n")


def test_other_letters_stay() -> None:
    assert printable("目标检测 é \u200d") == "目标检测 é \u200d"


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("", "RuntimeError"),
        ("Exception from core.cpp:84:\n  Unable to read the model\n", "Unable to read the model"),
        (
            "C++ Traceback\n---\nError Message Summary:\n---\nNotFoundError: no file\n  [Hint: x]",
            "NotFoundError: no file",
        ),
        ("x" * 500, "x" * 200),
    ],
)
def test_the_first_informative_line(message: str, line: str) -> None:
    assert first_error_line(RuntimeError(message)) == line

from __future__ import annotations

import pytest

from ppdet.core import errors
from ppdet.deploy.errors import printable, say


def test_a_file_name_gives_the_terminal_no_commands(capsys: pytest.CaptureFixture[str]) -> None:
    say("a  b/\x1b[31m\u202egpj.\r\nc")
    say("error: \udcff.jpg", error=True)
    assert capsys.readouterr() == ("a  b/\\x1b[31m\\u202egpj. c\n", "error: \\udcff.jpg\n")


def test_printed_as_in_training() -> None:
    text = "".join(map(chr, (*range(0x3000), *range(0xD7F0, 0xE010))))
    assert printable(text) == errors.printable(text)
    assert "\x1b" not in printable(text)
    assert printable("目标检测 é \u200d") == "目标检测 é \u200d"

"""The one exception of this folder, and how it is printed."""

from __future__ import annotations

import re
import sys

# controls, separators of lines, changes of direction, and halves of characters
_UNPRINTABLE = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class DeployError(Exception):
    """A mistake that the user can mend, in one line: `<file or option at fault>: what was found; what to do`."""


def say(text: object, error: bool = False) -> None:
    """Print `text` in one line, on stderr if it is an `error`, with file names kept from giving a terminal commands."""
    print(printable(str(text)), file=sys.stderr if error else sys.stdout)


def printable(text: str) -> str:
    """`text` on one line: line ends become spaces, what a terminal could take for commands \\xNN or \\uNNNN."""
    return _UNPRINTABLE.sub(_escaped, text.replace("\r\n", " ").replace("\n", " "))


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def telling_line(error: BaseException) -> str:
    """What a library said, short enough to be part of a line: the first line that does not only announce others."""
    said = str(error).rpartition("Error Message Summary:")[2]  # of Paddle, after the C++ functions
    lines = [line.strip() for line in said.splitlines() if any(map(str.isalnum, line))]
    telling = [line for line in lines if not line.endswith(":")]  # "Exception from …core.cpp:84:", of OpenVINO
    return (telling or lines or [type(error).__name__])[0][:200]

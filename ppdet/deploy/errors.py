"""Mistakes that a user can correct, and how a program prints them."""

from __future__ import annotations

import re
import sys

# control characters, line separators, bidirectional controls, and lone surrogates
_UNPRINTABLE = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class UserError(Exception):
    """A mistake in a file, a key or an option; command lines print it as `error: …` and exit with status 2.

    The message is one line: `<file, option or dotted key at fault>: what was found; what was expected or what to do`.
    """


class DeployError(UserError):
    """The UserError that everything in this folder raises."""


def say(text: object, error: bool = False) -> None:
    """Prints `text` on one line, to stderr if it is an `error`. File names in it cannot give a terminal commands."""
    print(printable(str(text)), file=sys.stderr if error else sys.stdout)


def printable(text: str) -> str:
    """`text` on one line: line ends become spaces; what a terminal could take for a command, \\xNN or \\uNNNN."""
    return _UNPRINTABLE.sub(_escaped, text.replace("\r\n", " ").replace("\n", " "))


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def first_error_line(error: BaseException) -> str:
    """The first informative line of a library's message, at most 200 characters long."""
    said = str(error).rpartition("Error Message Summary:")[2]  # Paddle prints C++ functions before this heading
    lines = [line.strip() for line in said.splitlines() if any(map(str.isalnum, line))]
    informative = [line for line in lines if not line.endswith(":")]  # OpenVINO: "Exception from …core.cpp:84:"
    return (informative or lines or [type(error).__name__])[0][:200]

"""Reads text and JSON files in the encodings that common tools write, with errors that name the entry."""

from __future__ import annotations

import codecs
import json
import re
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ppdet.core.errors import UserError
from ppdet.utils.ids import FileId, is_id

_ENCODINGS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_BEGUN = re.compile(r"|-|(-?I|N|n|t|f)\w*|\.|[eE][+-]?|u[0-9a-fA-F]*")  # of a word, a number or an escape
_LARGEST = 3.4e38  # of float32, which boxes become


def read_text(path: Path) -> str:
    """Returns the text of a file in UTF-8, or UTF-16 with a byte order mark. Raises UserError for other encodings."""
    try:
        data = path.read_bytes()
        encoding = next((name for mark, name in _ENCODINGS.items() if data.startswith(mark)), "utf-8")
        text = data.decode(encoding)
        if "\0" not in text:  # else UTF-16 without its mark, UTF-32, or no text
            return text
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        pass
    raise UserError(f"{path}: not text in UTF-8; save it as UTF-8")


def read_json(path: Path) -> Any:
    """Returns the parsed content of a JSON file. Raises UserError if it is not JSON."""
    text = read_text(path)
    try:
        return json.loads(text)
    except RecursionError:
        raise UserError(f"{path}: lists or objects nested too deeply; expected annotations or results") from None
    except json.JSONDecodeError as error:
        at_end = _BEGUN.fullmatch(text[error.pos :].strip()) or error.msg.startswith("Unterminated")
        remedy = "the file is probably cut short, fetch it again" if at_end else "correct it or fetch it again"
        raise UserError(f"{path}: not valid JSON ({error}); {remedy}") from None
    except ValueError:
        raise UserError(f"{path}: holds a whole number of thousands of digits; correct it") from None


def finite_number(value: Any) -> float | None:
    """Returns `value` as a float; None if it is not a number, not finite, or too large for float32."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -_LARGEST <= value <= _LARGEST:
        return None
    return float(value)


class Entry:
    """An object in a list of a JSON file, at `place` ("images[3]")."""

    __slots__ = ("_section", "index", "path", "values")

    def __init__(self, path: Path, section: str, index: int, values: Any) -> None:
        self.path, self._section, self.index = path, section, index
        self.values: dict[str, Any] = values if isinstance(values, dict) else {}
        if not isinstance(values, dict):
            raise UserError(f"{path}: {self.place}: found {reprlib.repr(values)}; expected an object {{…}}")

    @property
    def place(self) -> str:
        """The entry's place in the file, as in "images[3]"."""
        return f"{self._section}[{self.index}]"

    def wrong(self, key: str, expected: str) -> UserError:
        """Returns an error about the value of `key`; `expected` may also say what to do."""
        found = reprlib.repr(self.values[key]) if key in self.values else "nothing"
        return UserError(f"{self.path}: {self.place}.{key}: found {found}; expected {expected}")

    def id(self, key: str) -> FileId:
        """Returns a number or a text."""
        value = self.values.get(key)
        if not is_id(value):
            raise self.wrong(key, "a number or a text")
        return value

    def text(self, key: str) -> str:
        """Returns a text that files, terminals and file systems accept; a whole number becomes a text of its digits."""
        value = self.values.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str) or not value:
            raise self.wrong(key, "a text")
        if UNFIT.search(value):
            raise self.wrong(key, "a text without control characters and halves of characters (surrogates); correct it")
        return value

    def flag(self, key: str) -> bool:
        """Returns the truth of 0 or 1, given as a number, a truth value or text; missing and null are 0."""
        value = self.values.get(key)
        if isinstance(value, (list, dict)) or value not in (None, 0, 1, "0", "1"):
            raise self.wrong(key, "0 or 1")
        return value in (1, "1")


def entries(path: Path, section: str, values: list[Any]) -> Iterator[Entry]:
    """Yield the objects of a list. Raises UserError if an element is not an object."""
    for index, value in enumerate(values):
        yield Entry(path, section, index, value)

"""Forms as browsers and curl send them."""

from __future__ import annotations

from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import FormParser

from ppdet.server.refusals import Refused

_MOST = 1000  # parts; a hundred thousand would take a second
_Parts = list[tuple[str, bytes]]  # the name and the content of each


def read_form(boundary: bytes, body: bytes) -> tuple[_Parts, _Parts]:
    """The files and the fields of a multipart form. Raises Refused if it is none, is cut short, or has too many."""
    fields: _Parts = []
    files: _Parts = []
    ended: list[bool] = []
    if not boundary:
        raise Refused(400, "Content-Type: found no boundary; let the HTTP library write this header of a form")

    def take(parts: _Parts, name: bytes | None, content: bytes) -> None:
        if len(fields) + len(files) == _MOST:
            raise Refused(413, f"body: a form of more than {_MOST} parts; send several requests")
        parts.append(((name or b"").decode("utf-8", "replace"), content))

    try:
        parser = FormParser(
            "multipart/form-data",
            lambda field: take(fields, field.field_name, field.value or b""),
            lambda file: take(files, file.field_name, _content(file)),
            on_end=lambda: ended.append(True),
            boundary=boundary,
            config={"MAX_MEMORY_FILE_SIZE": len(body) + 1, "MAX_BODY_SIZE": len(body) + 1},
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Refused(
            400, f"body: no form ({str(error)[:100]}); send it as `curl -F images=@street.jpg` does"
        ) from None
    if not ended:
        raise Refused(400, "body: the form is cut short; send all of it, with the boundary at its end")
    return files, fields


def _content(file: Any) -> bytes:
    file.file_object.seek(0)
    return bytes(file.file_object.read())

"""The token that requests need."""

from __future__ import annotations

import os
from pathlib import Path

from ppdet.core.errors import UserError

VARIABLE = "PPDET_SERVE_TOKEN"


def read_token(file: Path | None) -> bytes | None:
    """The token of a file, or else of the environment variable; None: there is none.

    It is no option of the command line, which all users of a machine can read. Raises UserError if it cannot be used.
    """
    source = str(file) if file else VARIABLE
    try:
        text = file.read_text(encoding="utf-8") if file else os.environ.get(VARIABLE)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--token_file: {file} cannot be read ({error}); name a file with the token") from None
    if text is None:
        return None
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise UserError(f"{source}: found no token; expected one word of ASCII, as `openssl rand -hex 32` gives it")
    return token.encode()

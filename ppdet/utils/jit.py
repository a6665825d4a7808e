"""numba's `njit` with a cache on disk that damaged files, full disks and read-only folders do not break."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import pickle
import secrets
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba
from numba.core import typeinfer
from numba.core.caching import FunctionCache
from numba.core.serialize import dumps

logger = logging.getLogger(__name__)


def compiled(signatures: Sequence[Any] = (), **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Returns a decorator: `numba.njit(**options)` that compiles for `signatures` at once and caches on disk."""

    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher = numba.njit(**options)(function)
        with suppress(RuntimeError):  # no folder that can be written: each process compiles
            dispatcher._cache = _Cache(function)
        if signatures:
            with typeinfer.register_dispatcher(dispatcher):
                for signature in signatures:
                    dispatcher.compile(signature)
                dispatcher.disable_compile()
        return dispatcher

    return decorate


class _Cache(FunctionCache):  # numba has no type hints
    """A cache with one file for each signature: a checksum, then the pickled (stamp of the source, code).

    numba's own cache ends the program if a file is cut short, and runs code in which a bit has flipped.
    """

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """Returns the compiled function; None if no intact file for this source is there."""
        target_context.refresh()
        try:
            content = self._file(signature, target_context.codegen()).read_bytes()
            if zlib.crc32(content[4:]) == int.from_bytes(content[:4], "big"):
                stamp, code = pickle.loads(content[4:])
                if stamp == self._stamp:
                    return self._impl.rebuild(target_context, code)
        except FileNotFoundError:
            pass
        except Exception as error:  # unreadable, or written by another version of numba
            logger.debug("compiled code is not used (%s: %s)", type(error).__name__, error)
        _announce(self._cache_path)
        return None

    def save_overload(self, signature: Any, result: Any) -> None:
        """Save the compiled function, unless the disk is full."""
        if not self._impl.check_cachable(result):
            return
        data = dumps((self._stamp, self._impl.reduce(result)))
        file = self._file(signature, result.codegen)
        temp = file.with_suffix(f".{secrets.token_hex(4)}.tmp")
        try:
            self._impl.locator.ensure_cache_path()
            temp.write_bytes(zlib.crc32(data).to_bytes(4, "big") + data)
            os.replace(temp, file)
        except OSError as error:
            logger.debug("%s: compiled code is not kept (%s)", file.parent, error.strerror)
            with suppress(OSError):
                temp.unlink()

    @property
    def _stamp(self) -> tuple[Any, ...]:
        return (numba.__version__, self._impl.locator.get_source_stamp())

    def _file(self, signature: Any, codegen: Any) -> Path:
        key = hashlib.sha256(repr(self._index_key(signature, codegen)).encode()).hexdigest()
        return Path(self._cache_path) / f"{self._impl.filename_base}.{key[:16]}.nbc"


@functools.cache
def _announce(folder: str) -> None:
    """Log once why the program pauses."""
    logger.info("compiling loops for this processor, up to a minute, once; the code is kept in %s", folder)

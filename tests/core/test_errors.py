"""Which exceptions of libraries are a mistake that a user can correct."""

from __future__ import annotations

import pytest

from ppdet.core.errors import forbidden, out_of_memory, telling_line

PADDLE = """

--------------------------------------
C++ Traceback (most recent call last):
--------------------------------------
Not support stack backtrace yet.

----------------------
Error Message Summary:
----------------------
ResourceExhaustedError:

Out of memory error on GPU 0. Cannot allocate 9.000000GB memory on GPU 0, 7.5GB memory has been allocated.
"""
ON_CPU = "(ResourceExhausted) Fail to alloc memory of 99 size, error code is 12.\n  [Hint: Expected error == 0.]"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "(MemoryError)"),
        (MemoryError(ON_CPU), "of 99 size"),
        (RuntimeError(PADDLE), "(Out of memory error on GPU 0."),
        (OSError(12, "Cannot allocate memory"), "Cannot allocate memory"),
        (OSError("(External) CUDA error(2), out of memory."), "CUDA error(2)"),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED"), "CUBLAS"),
        (SystemError("Insufficient memory: Failed to allocate 17179869184 bytes"), "17179869184"),
        (RuntimeError("std::bad_alloc"), "bad_alloc"),
    ],
)
def test_memory_that_ran_out_is_known(error: Exception, said: str) -> None:
    fault = str(out_of_memory(error))
    assert fault.startswith("batch_size: memory ran out (")
    assert said in fault
    assert "\n" not in fault


@pytest.mark.parametrize("error", [ValueError("shape mismatch"), OSError(28, "No space left on device"), KeyError("x")])
def test_other_errors_are_not_about_memory(error: Exception) -> None:
    assert out_of_memory(error) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "no message"),
        ("no route\n", "no route"),
        (
            "In user code:\n\n    PreconditionNotMetError: no memory.\n      [Hint: null.] (at x.cc:38)\n",
            "PreconditionNotMetError: no memory.",
        ),
        (
            "Error Message Summary:\nFatalError: `Segmentation fault` is detected.\n  [TimeInfo: 1]",
            "FatalError: `Segmentation fault` is detected.",
        ),
        ("Traceback:\n  File x\nValueError: a\nDuring that:\nmy.OtherException: b", "my.OtherException: b"),
        ("Traceback:\n  assert x\nAssertionError\n", "AssertionError"),
    ],
)
def test_the_line_of_a_message_that_says_what_is_wrong(text: str, line: str) -> None:
    assert telling_line(text) == line


def test_what_the_user_may_not_use_is_named() -> None:
    fault = forbidden(PermissionError(13, "Permission denied", "my/folder"))
    assert str(fault) == "my/folder: cannot be used (Permission denied); give yourself the right, or another path"
    assert forbidden(PermissionError(1, "Operation not permitted")) is None
    assert forbidden(FileNotFoundError(2, "No such file or directory", "my/folder")) is None

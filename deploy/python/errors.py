"""The one exception of this folder."""


class DeployError(Exception):
    """A mistake that the user can mend, in one line: `<file or option at fault>: what was found; what to do`."""


def first_line(error: BaseException) -> str:
    """What a library said, short enough to be part of a line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200]

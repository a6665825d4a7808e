"""The one exception of this folder."""


class DeployError(Exception):
    """A mistake that the user can mend, in one line: `<file or option at fault>: what was found; what to do`."""


def telling_line(error: BaseException) -> str:
    """What a library said, short enough to be part of a line: the first line that does not only announce others."""
    said = str(error).rpartition("Error Message Summary:")[2]  # of Paddle, after the C++ functions
    lines = [line.strip() for line in said.splitlines() if any(map(str.isalnum, line))]
    telling = [line for line in lines if not line.endswith(":")]  # "Exception from …core.cpp:84:", of OpenVINO
    return (telling or lines or [type(error).__name__])[0][:200]

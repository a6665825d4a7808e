"""Job: source (.onnx), shape of its input, fp16. Writes <stem>.ncnn.param and .ncnn.bin beside the source."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Run pnnx. Its Python package needs torch, which its program, the file beside it, does not."""
    job = json.load(sys.stdin)
    spec = importlib.util.find_spec("pnnx")
    if spec is None or spec.origin is None:
        sys.exit("pnnx is not installed")
    program = Path(spec.origin).with_name("pnnx.exe" if os.name == "nt" else "pnnx")
    source = Path(job["source"])
    shape = ",".join(map(str, job["shape"]))
    arguments = [source.name, f"inputshape=[{shape}]", f"fp16={int(job['fp16'])}"]
    if status := subprocess.run([program, *arguments], cwd=source.parent).returncode:
        sys.exit(f"pnnx ended with status {status}")


if __name__ == "__main__":
    main()

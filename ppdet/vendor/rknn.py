"""RKNN files, converted from ONNX by RKNN-Toolkit2, and its simulator."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from ppdet.core.errors import UserError
from ppdet.deploy.backends.base import Feed, Port
from ppdet.utils.files import temporary_folder
from ppdet.vendor.conversion import Conversion
from ppdet.vendor.tools import last_line, require_file, run_worker, worker_command


def convert_rknn(job: Conversion) -> None:
    """Write `job.target` (.rknn). Raises UserError if the converter fails."""
    with temporary_folder() as temp:
        run_worker("rknn", _described(job, temp), job.tool_env)
    require_file("rknn", job.target)


class RknnSimulator:
    """Backend that builds the model once more and simulates it; the toolkit cannot simulate a written file."""

    infer_cfg: str | None = None

    def __init__(self, job: Conversion) -> None:
        import onnx

        (image,) = onnx.load(str(job.source), load_external_data=False).graph.input
        shape = tuple(side.dim_value for side in image.type.tensor_type.shape.dim)
        self.inputs: tuple[Port, ...] = (Port(image.name, shape, np.dtype("float32")),)
        self._folder = tempfile.TemporaryDirectory(prefix="ppdet-", ignore_cleanup_errors=True)
        self._log = Path(self._folder.name, "log")
        described = {**_described(job, Path(self._folder.name)), "simulate": True}
        with self._log.open("wb") as log:
            command = worker_command("rknn", job.tool_env)
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self._ask(json.dumps(described))

    def run(self, feeds: Feed) -> list[np.ndarray]:
        given, found = (Path(self._folder.name, name) for name in ("input.npy", "outputs.npz"))
        np.save(given, feeds[self.inputs[0].name])
        self._ask(json.dumps([str(given), str(found)]))
        with np.load(found) as outputs:
            return [outputs[name] for name in outputs.files]

    def _ask(self, line: str) -> None:
        """Send a line and wait for the answer. Raises UserError if the process ended instead."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            print(line, file=stdin, flush=True)
            answer = stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            text = self._log.read_text(errors="replace")
            raise UserError(f"export.format: rknn's simulator failed ({last_line(text)})")

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait()
        self._folder.cleanup()

    __del__ = close


def _described(job: Conversion, folder: Path) -> dict[str, object]:
    """The job of the worker; the images, one file each, go to `folder`."""
    files = []
    for i, image in enumerate(job.images if job.images is not None else ()):
        files.append(folder / f"{i}.npy")
        np.save(files[-1], image[None])
    listed = folder / "images.txt"
    listed.write_text("".join(f"{file}\n" for file in files))
    return {"source": str(job.source), "target": str(job.target), "images": str(listed) if files else None}

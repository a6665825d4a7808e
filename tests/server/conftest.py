"""A running server of two small models, and a client."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest

from ppdet.commands.serve import EXTRA
from tests.deploy.conftest import INFER_CFG, make_model
from tests.support.workspaces import ROOT

ABSENT = [name for name in EXTRA if importlib.util.find_spec(name) is None]


@pytest.fixture(autouse=True, scope="session")
def needs_the_extra() -> None:
    if ABSENT:
        pytest.skip(f"the extra `server` is not installed: {', '.join(ABSENT)}")
    pytest.importorskip("onnxruntime")


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """`ppdet serve` in a process of its own. `folder`: its current folder and its user's home, else an empty one."""

    def __init__(self, *options: object, token: str | None = None, folder: Path | None = None) -> None:
        self._home = tempfile.TemporaryDirectory()
        folder = folder or Path(self._home.name)
        environment = os.environ | {"OMP_WAIT_POLICY": "passive", "PYTHONPATH": str(ROOT), "HOME": str(folder)}
        environment |= {"PPDET_SERVE_TOKEN": token} if token else {}
        command = [sys.executable, "-m", "ppdet", "serve", "--port", "0", "--backend", "onnxruntime"]
        self.process = subprocess.Popen(
            [*command, *map(str, options)], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []
        self._said = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        self.port = int(self.wait_for(r"http://127.0.0.1:(\d+)")[1])

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            with self._said:
                self.lines.append(line.rstrip("\n"))
                self._said.notify_all()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first line on stderr that has the pattern."""

        def found() -> re.Match[str] | None:
            return next((match for line in self.lines if (match := re.search(pattern, line))), None)

        with self._said:
            match = self._said.wait_for(found, 120)
        assert match, self.lines
        return match

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """The answer on a connection of its own. Header names have _ for -."""
        connection = self.connect()
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def detect(self, image: bytes, query: str = "") -> Answer:
        return self.ask("POST", f"/v1/detect{query}", image, Content_Type="image/jpeg")

    def stop(self) -> int:
        """Ends it; returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def encoded(side: int = 64, bright: int = 250, suffix: str = ".jpg", width: int | None = None) -> bytes:
    """An image file of one brightness, which is the score of the dog in it."""
    image = np.full((side, width or side, 3), bright, np.uint8)
    return bytes(cv2.imencode(suffix, image)[1].tobytes())


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("served")
    wolves = INFER_CFG | {"label_list": ["fox", "wolf"]}
    return {
        "dogs": make_model(folder / "dogs" / "model.onnx").parent,
        "wolves": make_model(folder / "wolves" / "model.onnx", wolves, batch=1).parent,
    }


@pytest.fixture(scope="session")
def server(needs_the_extra: None, models: dict[str, Path]) -> Iterator[Server]:
    server = Server("--model", models["dogs"], "--max_images", 4, "--max_body_mb", 1, "--max_pixels", 4_000_000)
    yield server
    assert server.stop() == 0
    assert "Traceback" not in "\n".join(server.lines)

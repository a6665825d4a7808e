"""Connections, and signals: SIGTERM and SIGHUP under load."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import signal
import socket
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from ppdet.server.batcher import Batcher
from ppdet.server.models import Model, Models
from tests.deploy.conftest import INFER_CFG, make_model
from tests.server.conftest import Server, encoded

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs the signals of POSIX")
CLIENTS = 8


class Load:
    """Clients that send one request after the other, each on its connection, until the server is gone."""

    def __init__(self, server: Server, image: bytes) -> None:
        self._server, self._image = server, image
        self.statuses: Counter[int] = Counter()
        self.labels: set[str] = set()
        self._changed, self._stop = threading.Condition(), False
        self.threads = [threading.Thread(target=self._send_all) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def _send_all(self) -> None:
        connection = self._server.connect()
        while not self._stop:
            try:
                connection.request("POST", "/v1/detect", self._image, {"Content-Type": "image/jpeg"})
                response = connection.getresponse()
            except (ConnectionError, http.client.RemoteDisconnected):  # not a byte of an answer
                return
            content = response.read()  # raises IncompleteRead if a part is lost
            with self._changed:
                self.statuses[response.status] += 1
                self.labels |= {label for label in ("dog", "wolf") if f'"{label}"'.encode() in content}
                self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        """Returns when `count` more requests have been answered."""
        with self._changed:
            wanted = self.statuses.total() + count
            assert self._changed.wait_for(lambda: self.statuses.total() >= wanted, 60)

    def end(self) -> None:
        self._stop = True
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()


def test_sigterm_under_load_loses_no_accepted_request(models):
    """The server counts its answers, of which each has to reach its client."""
    server = Server("--model", models["dogs"])
    load = Load(server, encoded(1500))
    load.wait_for(5 * CLIENTS)
    server.process.send_signal(signal.SIGTERM)
    for thread in load.threads:
        thread.join(60)  # they end because the server refuses them
        assert not thread.is_alive()
    assert server.process.wait(60) == 0
    assert int(server.wait_for(r"^stopped after (\d+) answers$")[1]) == load.statuses.total()
    assert set(load.statuses) <= {200, 503}
    assert load.statuses[200] >= 5 * CLIENTS


def test_sighup_loads_the_models_again_without_losing_a_request(models, tmp_path: Path):
    folder = Path(shutil.copytree(models["dogs"], tmp_path / "animals"))
    server = Server("--model", folder)
    load = Load(server, encoded())
    load.wait_for(CLIENTS)
    make_model(folder / "model.onnx", INFER_CFG | {"label_list": ["fox", "wolf"]})
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("^the models are loaded again$")
    load.labels.clear()
    load.wait_for(2 * CLIENTS)
    load.end()
    assert set(load.statuses) == {200}
    assert server.ask("GET", "/v1/models").json["models"][0]["classes"] == ["fox", "wolf"]

    (folder / "model.onnx").write_bytes(b"damaged")
    server.process.send_signal(signal.SIGHUP)
    line = server.wait_for("^error: .*model.onnx: .*; the models stay as they are$").string
    assert "\n" not in line
    answer = server.detect(encoded())
    assert [box["category"] for box in answer.json["images"][0]["detections"]] == ["wolf"]
    assert server.stop() == 0


@pytest.mark.parametrize("head", [b"X: " + b"a" * (1 << 20), b"a: b\r\n" * (1 << 17)], ids=["one", "many"])
def test_headers_without_end_are_not_kept(server, head):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\n" + head[:66_000])
        answer = b"".join(iter(lambda: sock.recv(1000), b""))
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"].startswith("headers: more than 65,536 bytes")
    assert server.ask("GET", "/healthz", X="a" * 60_000).status == 200


def test_answers_are_sent_at_once():
    """Nagle's algorithm would hold the second part of an answer until the client confirms the first, for 40 ms."""
    from ppdet.server.run import listen

    async def accepted() -> int:
        made = asyncio.get_running_loop().create_future()

        async def connected(reader, writer):
            made.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listening = listen("127.0.0.1", 0)
        async with await asyncio.start_server(connected, sock=listening):
            with socket.create_connection(listening.getsockname()):
                return await made

    assert asyncio.run(accepted()) == 1


def test_the_end_of_a_server_does_not_wait_for_models_that_it_reloads():
    begun, go_on = threading.Event(), threading.Event()

    def load():
        if begun.is_set():
            assert go_on.wait(30)
        begun.set()
        detector = SimpleNamespace(lanes=1, max_batch_size=1)
        return {"a": Model("a", detector, Batcher(detector, 1, 1))}

    async def end_while_reloading():
        models = Models(load)
        task = asyncio.ensure_future(models.reload())
        await asyncio.sleep(0)
        task.cancel()
        go_on.set()
        return models

    asyncio.run(end_while_reloading()).close()
    left = [thread for thread in threading.enumerate() if thread.name == "ppdet-serve"]
    assert left
    assert all(thread.daemon for thread in left)


def test_several_models_by_name(models):
    server = Server("--model", f"a={models['dogs']}", f"b={models['wolves'] / 'model.onnx'}")
    found = {}
    for name in ("a", "b"):
        answer = server.detect(encoded(), f"?model={name}").json
        found[answer["model"]] = answer["images"][0]["detections"][0]["category"]
    assert found == {"a": "dog", "b": "wolf"}
    answer = server.detect(encoded())
    assert (answer.status, answer.json["error"]) == (400, "model: not given; expected one of a, b")
    assert server.ask("GET", "/v2/models/b").status == 200
    assert server.stop() == 0

"""The token, and the bound on requests in work."""

from __future__ import annotations

import socket

import pytest

from tests.server.conftest import Server, encoded

TOKEN = "f00dcafe"


@pytest.fixture(scope="module")
def guarded(needs_the_extra, models):
    """A server with a token, which takes one request at a time and waits 0.5 s for its body."""
    server = Server("--model", models["dogs"], "--queue", 1, "--max_images", 1, "--timeout", 0.5, token=TOKEN)
    yield server
    assert server.stop() == 0


def half_a_request(server: Server) -> socket.socket:
    """A request whose head is taken and whose body never comes."""
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    head = f"POST /v1/detect HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 99\r\n"
    sock.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
    assert sock.recv(100).startswith(b"HTTP/1.1 100")  # it reads the body now
    return sock


@pytest.mark.parametrize("given", [None, "Bearer", "Bearer f00dcaff", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/detect"), ("GET", "/v2/models/dogs"), ("GET", "/metrics"), ("GET", "/v2")]
)
def test_without_the_token(guarded, given, method, path):
    answer = guarded.ask(method, path, **({"Authorization": given} if given else {}))
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json["error"].startswith("Authorization: no token, or another one; expected `Bearer <token>`")


def test_with_the_token(guarded):
    for authorization in (f"Bearer {TOKEN}", f"bearer  {TOKEN} "):
        image = {"Content_Type": "image/jpeg", "Authorization": authorization}
        assert guarded.ask("POST", "/v1/detect", encoded(), **image).status == 200


def test_probes_and_documents_need_no_token(guarded):
    for path in ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/docs", "/openapi.json"):
        assert guarded.ask("GET", path).status == 200


def test_one_request_more_than_the_queue_gets_503_and_a_slow_body_408(guarded):
    with half_a_request(guarded) as slow:
        answer = guarded.ask("POST", "/v1/detect", encoded(), Authorization=f"Bearer {TOKEN}")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert answer.json["error"] == "1 requests are in work already; send the request again in a moment"
        assert guarded.ask("GET", "/healthz").status == 200
        assert slow.recv(1000).startswith(b"HTTP/1.1 408")
    image = {"Content_Type": "image/jpeg", "Authorization": f"Bearer {TOKEN}"}
    assert guarded.ask("POST", "/v1/detect", encoded(), **image).status == 200


def test_a_client_that_goes_away_while_it_sends(guarded):
    half_a_request(guarded).close()
    image = {"Content_Type": "image/jpeg", "Authorization": f"Bearer {TOKEN}"}
    statuses = {guarded.ask("POST", "/v1/detect", encoded(), **image).status for _ in range(3)}
    assert 200 in statuses  # 503 until the server has noticed

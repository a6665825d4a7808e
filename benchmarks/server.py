"""Measures `ppdet serve`:  python3 benchmarks/server.py output_inference/<name> [--minutes 20]

8 clients send a JPEG of 640 x 480 on one connection each, as fast as they are answered. The same work in this process
(8 threads that decode and detect with one Detector) takes turns with them in short blocks, so that a busy moment hits
both. Where other programs use the processor too, the processor time of an image (server and clients together) says more
than images per second. Then come some bad requests, and the memory of the server during --minutes of full load.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import cv2

from ppdet.deploy import Detector
from ppdet.deploy.benchmark import synthetic_image
from ppdet.deploy.images import decode_image

CLIENTS = 8
BAD = {
    "empty": ("image/jpeg", b"", ""),
    "no image": ("image/jpeg", b"hello", ""),
    "type": ("text/plain", b"hello", ""),
    "base64": ("application/json", b'{"images": ["%%%"]}', ""),
    "JSON": ("application/json", b'{"images": [', ""),
    "form": ("multipart/form-data; boundary=x", b"hello", ""),
    "NaN": ("image/jpeg", b"\xff\xd8\xff", "?threshold=nan"),
    "too large": ("image/jpeg", bytes(21 << 20), ""),
}


class Client:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)

    def post(self, kind: str, body: bytes, query: str = "") -> int:
        """Sends a body; returns the status when all of the answer is there."""
        head = (
            f"POST /v1/detect{query} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._receive()
        fields, _, content = answer.partition(b"\r\n\r\n")
        left = int(re.search(rb"content-length: (\d+)", fields, re.I)[1]) - len(content)
        while left > 0:
            left -= len(self._receive())
        return int(fields[9:12])

    def _receive(self) -> bytes:
        data = self._socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the server has closed the connection without an answer")
        return data


class Server:
    """A running server: its port, processor time and memory."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = process, port

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def running(options: list[str]) -> Iterator[Server]:
    command = [sys.executable, "-m", "ppdet", "serve", "--port", "0", *options]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:
            if found := re.search(r"listening on http://127.0.0.1:(\d+)", line):
                yield Server(process, int(found[1]))
                break
            print(line, end="")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


class Measured:
    """Images per second and processor milliseconds of an image, in each block."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.cpu: list[float] = []

    def block(self, work: Callable[[], int], cpu: Callable[[], float]) -> None:
        start, before = time.perf_counter(), cpu()
        count = work()
        self.rates.append(count / (time.perf_counter() - start))
        self.cpu.append(1000 * (cpu() - before) / count)


def compare(model: str, server: Server, jpeg: bytes, args: argparse.Namespace, pool: ThreadPoolExecutor) -> None:
    """Prints the speed over HTTP and in this process, and the times of requests."""
    detector = Detector(model, args.backend, threads=1, order="bgr")
    times, statuses = list[float](), Counter[int]()

    def ask(_: int) -> None:
        client = Client(server.port)
        for _ in range(args.block // CLIENTS):
            start = time.perf_counter()
            statuses[client.post("image/jpeg", jpeg)] += 1
            times.append(time.perf_counter() - start)

    def over_http() -> int:
        list(pool.map(ask, range(CLIENTS)))
        return args.block // CLIENTS * CLIENTS

    def in_process() -> int:
        return len(list(pool.map(lambda _: detector.detect(decode_image(jpeg, "x")), range(args.block))))

    http, local = Measured(), Measured()
    for block in range(args.blocks + 1):
        if block == 1:  # the first one warms up
            http, local = Measured(), Measured()
            times.clear()
        http.block(over_http, lambda: server.cpu_seconds() + time.process_time())
        local.block(in_process, time.process_time)
    ratio = statistics.median(a / b for a, b in zip(http.rates, local.rates, strict=True))
    for name, each in (("HTTP", http), ("in process", local)):
        speed, cpu = statistics.median(each.rates), statistics.median(each.cpu)
        print(f"{name}: {speed:.1f} images/s, {cpu:.2f} ms of processor time for each")
    cpu_ratio = statistics.median(local.cpu) / statistics.median(http.cpu)
    print(f"HTTP / in process: {ratio:.2f} by images/s, {cpu_ratio:.2f} by processor time")
    median, p99 = statistics.median(times), statistics.quantiles(times, n=100)[-1]
    print(f"a request: median {1000 * median:.0f} ms, p99 {1000 * p99:.0f} ms ({p99 / median:.1f}x); {dict(statuses)}")


def bad_requests(port: int) -> None:
    """Prints how long bad requests take."""
    for name, (kind, body, query) in BAD.items():
        start = time.perf_counter()
        status = Client(port).post(kind, body, query)
        print(f"bad request, {name}: {status} after {1000 * (time.perf_counter() - start):.0f} ms")


def memory(server: Server, jpeg: bytes, minutes: float, pool: ThreadPoolExecutor) -> None:
    """Prints the server's memory while 8 clients ask."""
    end, statuses, rows = time.monotonic() + 60 * minutes, Counter[int](), list[float]()

    def ask(number: int) -> None:
        client, shown = Client(server.port), time.monotonic()
        while time.monotonic() < end:
            statuses[client.post("image/jpeg", jpeg)] += 1
            if number == 0 and time.monotonic() - shown > 10:
                shown = time.monotonic()
                rows.append(server.memory_mb())

    list(pool.map(ask, range(CLIENTS)))
    half = len(rows) // 2
    growth = statistics.median(rows[half:]) / statistics.median(rows[: half or 1]) - 1
    shown = " ".join(f"{row:.0f}" for row in rows[:: max(1, len(rows) // 12)])
    print(f"memory during {minutes:g} minutes: {shown} MB; second half against first: {growth:+.1%}; {dict(statuses)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="the folder of an export")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--batch_size", default="4")
    parser.add_argument("--blocks", type=int, default=10)
    parser.add_argument("--block", type=int, default=160, metavar="IMAGES")
    parser.add_argument("--minutes", type=float, default=0.0, help="of full load, for the memory")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    options = ["--model", args.model, "--backend", args.backend, "--batch_size", args.batch_size]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(CLIENTS) as pool, running(options) as server:
        jpeg = synthetic_image(Path(folder)).read_bytes()
        compare(args.model, server, jpeg, args, pool)
        bad_requests(server.port)
        if args.minutes:
            memory(server, jpeg, args.minutes, pool)


if __name__ == "__main__":
    main()

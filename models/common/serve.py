"""The server behind a container's `serve` command: `/ping` and `/invocations` on SAGEMAKER_BIND_TO_PORT (8080).

It stands for the serving stack of AWS's XGBoost image, on a laptop and in images of our own, and calls the same functions
of the model's own code: `model_fn(model_dir)` once, then `transform_fn(model, data, content_type, accept)` for every
request; the module is SAGEMAKER_PROGRAM (inference.py) in `model/code/`. As there, an error of transform_fn is a 500,
whatever it says of itself; another status is an answer, a WSGI application. Standard library only; HTTP/1.1 with keep-alive
and pipelining.

One thread answers: a prediction takes less time than handing it to another thread. Bodies above LARGE_BODY go to a
worker, so that `/ping` is answered meanwhile. SAGEMAKER_MODEL_SERVER_WORKERS (1) processes share the port, each on its
own part of the processors.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

LARGE_BODY = 1 << 20
MAXIMUM_HEAD = 64 << 10
STOP_SECONDS = 25  # SageMaker kills the container 30 s after SIGTERM
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 413: "Content Too Large"}
_JSON = "application/json"

# (body, content type, accept) → (status, body, content type)
Transform = Callable[[bytes, str, str], tuple[int, bytes, str]]


class Connection(asyncio.Protocol):
    """One client. Requests on a connection are answered in their order."""

    def __init__(self, server: Server):
        self._server = server
        self._buffer = bytearray()
        self._busy = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._server.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._advance()

    def close_if_idle(self) -> None:
        """For the end of the process: a request under way is answered first."""
        if self._transport and not self._busy:
            self._transport.close()

    def _advance(self) -> None:
        """Answers every request that is whole."""
        while self._transport and not self._busy:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > MAXIMUM_HEAD:
                    self._reply(413, _error(f"request head above {MAXIMUM_HEAD} bytes"), _JSON, keep=False)
                return
            method, path, headers, keep = _parse_head(bytes(self._buffer[:end]))
            if "chunked" in headers.get("transfer-encoding", ""):
                body, used = _dechunk(self._buffer, end + 4)
            else:
                used = end + 4 + int(headers.get("content-length") or 0)
                body = bytes(memoryview(self._buffer)[end + 4 : used]) if len(self._buffer) >= used else None
            if body is None:
                if headers.pop("expect", None) == "100-continue":
                    self._buffer[:end] = self._buffer[:end].replace(b"100-continue", b"")
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            del self._buffer[:used]
            self._handle(method, path, headers, body, keep)

    def _handle(self, method: str, path: str, headers: dict[str, str], body: bytes, keep: bool) -> None:
        if path == "/ping":
            self._reply(200, b"", _JSON, keep)
        elif path != "/invocations":
            self._reply(404, _error(f"got {path}, expected /ping or /invocations"), _JSON, keep)
        elif method != "POST":
            self._reply(405, _error(f"got {method}, expected POST"), _JSON, keep)
        else:
            content_type, accept = headers.get("content-type", _JSON), headers.get("accept", "*/*")
            if len(body) <= LARGE_BODY:
                self._reply(*self._server.answer(body, content_type, accept), keep)
            else:
                self._busy = True
                task = self._server.loop.run_in_executor(
                    self._server.worker, self._server.answer, body, content_type, accept
                )
                task.add_done_callback(lambda done: self._finish(done.result(), keep))

    def _finish(self, answer: tuple[int, bytes, str], keep: bool) -> None:
        self._busy = False
        self._reply(*answer, keep)
        self._advance()

    def _reply(self, status: int, body: bytes, content_type: str, keep: bool) -> None:
        if not self._transport:
            return
        keep = keep and not self._server.stopping
        connection = "" if keep else "Connection: close\r\n"
        head = (
            f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\n{connection}\r\n"
        )
        self._transport.write(head.encode("latin-1") + body)
        if not keep:
            self._transport.close()


class Server:
    """The model behind the connections."""

    def __init__(self, transform: Transform):
        self.loop = asyncio.get_running_loop()
        self.worker = ThreadPoolExecutor(1)
        self.connections: set[Connection] = set()
        self.stopping = False
        self._transform = transform

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[int, bytes, str]:
        """(status, body, content type)."""
        try:
            return self._transform(body, content_type, accept)
        except Exception as error:  # every request gets an answer; the cause goes to the log
            traceback.print_exc()
            return 500, _error(f"{type(error).__name__}: {error}"), _JSON

    async def serve(self, port: int) -> None:
        """Until SIGTERM; then requests under way are finished."""
        stop = asyncio.Event()
        self.loop.add_signal_handler(signal.SIGTERM, stop.set)
        self.loop.add_signal_handler(signal.SIGINT, stop.set)
        host = os.environ.get("FLYWHEEL_BIND_HOST", "0.0.0.0")
        listener = await self.loop.create_server(
            lambda: Connection(self), host, port, backlog=512, reuse_port=worker_count() > 1
        )
        _say(f"listening on {host}:{listener.sockets[0].getsockname()[1]}")
        await stop.wait()
        self.stopping = True
        listener.close()
        deadline = time.monotonic() + STOP_SECONDS
        while self.connections and time.monotonic() < deadline:
            for connection in list(self.connections):
                connection.close_if_idle()
            await asyncio.sleep(0.02)


def load_transform(model_dir: Path, program: str) -> Transform:
    """The model's own functions as one: `transform_fn`, or `input_fn`, `predict_fn` and `output_fn`."""
    code = model_dir / "code"
    own = str(Path(__file__).resolve().parent)
    # The model brings the `common` package it was trained with; this file's folder would shadow parts of it.
    sys.path[:] = [str(code), *(entry for entry in sys.path if entry and str(Path(entry).resolve()) != own)]
    module = importlib.import_module(Path(program).stem)
    model = module.model_fn(str(model_dir))

    def transform(data: bytes, content_type: str, accept: str) -> tuple[int, bytes, str]:
        if hasattr(module, "transform_fn"):
            result = module.transform_fn(model, data, content_type, accept)
        else:
            result = module.output_fn(module.predict_fn(module.input_fn(data, content_type), model), accept)
        if callable(result):
            return _answer_of(result)
        body, answered_type = result if isinstance(result, tuple) else (result, accept)
        return 200, body.encode() if isinstance(body, str) else body, answered_type

    return transform


def _answer_of(application: Callable) -> tuple[int, bytes, str]:
    """What a WSGI application answers, Flask's responses among them."""
    status, content_type = 500, _JSON

    def start(line: str, headers: list[tuple[str, str]], *_: object) -> None:
        nonlocal status, content_type
        status = int(line.split(" ")[0])
        content_type = dict(headers).get("Content-Type", _JSON)

    parts = application({"REQUEST_METHOD": "POST", "PATH_INFO": "/invocations", "wsgi.url_scheme": "http"}, start)
    return status, b"".join(parts), content_type


def _parse_head(head: bytes) -> tuple[str, str, dict[str, str], bool]:
    """(method, path, headers in lower case, whether the connection is kept)."""
    lines = head.decode("latin-1").split("\r\n")
    method, target, version = [*lines[0].split(" "), "", ""][:3]
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    connection = headers.get("connection", "").lower()
    keep = connection != "close" if version == "HTTP/1.1" else connection == "keep-alive"
    return method, target.partition("?")[0], headers, keep


def _dechunk(buffer: bytearray, start: int) -> tuple[bytes | None, int]:
    """The body of a chunked request and where it ends; None while it is not whole."""
    parts: list[bytes] = []
    while (end := buffer.find(b"\r\n", start)) >= 0:
        size = int(buffer[start:end].split(b";")[0], 16)
        start = end + 2 + size + 2
        if len(buffer) < start:
            break
        if size == 0:
            return b"".join(parts), start
        parts.append(bytes(buffer[end + 2 : end + 2 + size]))
    return None, 0


def _error(message: str) -> bytes:
    return json.dumps({"error": message}, ensure_ascii=False).encode()


def _say(message: str) -> None:
    print(message, flush=True)


def worker_count() -> int:
    """Processes that answer."""
    return int(os.environ.get("SAGEMAKER_MODEL_SERVER_WORKERS", "1"))


def run_workers(count: int) -> int:
    """Forks the processes, passes SIGTERM on, and ends when they have; 1 if one ended by itself."""
    processors = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    children: list[int] = []
    for worker in range(count):
        child = os.fork()
        if child == 0:
            if processors:
                os.sched_setaffinity(0, processors[worker % len(processors) :: count])
            asyncio.run(_serve())
            os._exit(0)
        children.append(child)
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True
        for child in children:
            os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    code = 0
    while children:
        ended, _ = os.wait()
        children.remove(ended)
        if not stopping:  # the platform starts the container anew
            code = 1
            stop()
    return code


async def _serve() -> None:
    started = time.perf_counter()
    model_dir = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")) / "model"
    transform = load_transform(model_dir, os.environ.get("SAGEMAKER_PROGRAM", "inference.py"))
    # What was loaded stays: without it in the collector's lists, a collection amid a request takes no 10 ms.
    gc.collect()
    gc.freeze()
    _say(f"model loaded in {time.perf_counter() - started:.2f} s")
    await Server(transform).serve(int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080")))


if __name__ == "__main__":
    if worker_count() > 1:
        sys.exit(run_workers(worker_count()))
    asyncio.run(_serve())

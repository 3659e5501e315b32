"""The serving "image" of these tests: a model server in the standard library that does what its model's files say.

model/name.txt      what it answers, before the request's body
model/behaviour.txt a line of: refuse-ping, end-at-start, fail-all (optional)
"""

import os
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BASE = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
MODEL = BASE / "model"
NAME = (MODEL / "name.txt").read_text().strip()
BEHAVIOUR = (MODEL / "behaviour.txt").read_text().split() if (MODEL / "behaviour.txt").exists() else []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.answer(503 if "refuse-ping" in BEHAVIOUR else 200, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if body == b"crash":
            print("crashing as told", flush=True)
            os._exit(3)
        if body.startswith(b"sleep "):
            time.sleep(float(body.split()[1]))
        if "fail-all" in BEHAVIOUR:
            self.answer(500, b"the model fails")
            return
        if body.startswith(b"status "):
            self.answer(int(body.split()[1]), b"the model says no")
            return
        if body == b"environment":
            wanted = ("MODEL_SETTING", "AWS_ENDPOINT_URL", "HOME")
            text = "\n".join(f"{name}={os.environ.get(name)}" for name in wanted)
            self.answer(200, text.encode())
            return
        if body.startswith(b"stream "):
            self.stream(parts=int(body.split()[1]), broken=body.endswith(b"broken"))
            return
        if body == b"session":
            self.answer(200, b"opened", {"X-Amzn-SageMaker-New-Session-Id": "session-1; Expires=2030-01-01T00:00:00Z"})
            return
        if body == b"code":
            self.answer(200, (BASE / "code" / "inference.py").read_bytes())
            return
        if body.startswith(b"connect "):
            try:
                socket.create_connection(("127.0.0.1", int(body.split()[1])), timeout=1).close()
                self.answer(200, b"connected")
            except OSError as error:
                self.answer(200, type(error).__name__.encode())
            return
        if body == b"headers":
            passed = sorted(f"{name.lower()}: {value}" for name, value in self.headers.items())
            self.answer(200, "\n".join(passed).encode())
            return
        if body == b"write":
            try:
                (MODEL / "name.txt").write_text("changed")
                self.answer(200, b"written")
            except OSError as error:
                self.answer(200, type(error).__name__.encode())
            return
        self.answer(200, NAME.encode() + b":" + body)

    def stream(self, parts: int, broken: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(parts):
            part = f"part {number} of {NAME};".encode()
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        if broken:
            os._exit(4)
        self.wfile.write(b"0\r\n\r\n")

    def answer(self, status: int, body: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/csv; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Amzn-SageMaker-Custom-Attributes", f"model={NAME}")
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet: the tests look for lines that they ask for."""


if "end-at-start" in BEHAVIOUR:
    sys.exit("no model to serve")
print(f"serving {NAME}", flush=True)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()

"""Who may call the local cloud: programs on this machine, never a web page; and no route of MiniStack's own.

A page in the developer's browser reaches loopback, and a name that its owner points at 127.0.0.1 makes that page even
of the same origin (DNS rebinding). No AWS client sends Origin, Sec-Fetch-Site or a Host of that kind; a browser cannot
leave them out. MiniStack's own routes (reset, settings, functions' code, queues' messages) look at no signature.
"""

import json
import re
from collections.abc import Awaitable, Callable

Application = Callable[[dict, Callable, Callable], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
LOOPBACK = re.compile(rb"(127\.0\.0\.1|localhost)(:[0-9]+)?", re.IGNORECASE)
PAGE = "The local cloud answers programs on this machine only, at 127.0.0.1, and no web page."
OWN_ROUTES = ("/_ministack/", "/_localstack/")
# Custom resources and wait conditions of CloudFormation answer here; the last part is a token that nobody can guess.
NEEDED = re.compile(r"/_ministack/(cfn-response|cfn-signal)/[^/]+")


def for_local_programs(application: Application) -> Application:
    """The application without answers to web pages, and without MiniStack's own routes."""

    async def guarded(scope: dict, receive: Callable, send: Callable) -> None:
        kind = scope["type"]
        if kind in ("http", "websocket"):
            if from_page(scope.get("method"), scope["headers"]):
                return await answer(kind, send, 403, {"message": PAGE})
            if is_own_route(scope.get("method"), scope["path"]):
                return await answer(kind, send, 404, {"message": f"The local cloud has no route {scope['path']}."})
        await application(scope, receive, send)

    return guarded


def from_page(method: str | None, headers: Headers) -> bool:
    """Whether a browser may have sent a request for a page; one of its address bar has the site `none`."""
    hosts = [value for name, value in headers if name.lower() == b"host"]
    if len(hosts) != 1 or not LOOPBACK.fullmatch(hosts[0]):
        return True
    names = {name.lower() for name, _ in headers}
    sites = [value for name, value in headers if name.lower() == b"sec-fetch-site"]
    return b"origin" in names or any(site != b"none" for site in sites) or method == "OPTIONS"


def is_own_route(method: str | None, path: str) -> bool:
    if method == "PUT" and NEEDED.fullmatch(path):
        return False
    return path == "/health" or path.startswith(OWN_ROUTES)


async def answer(kind: str, send: Callable, status: int, content: dict) -> None:
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    prefix = "websocket.http.response" if kind == "websocket" else "http.response"
    await send({"type": f"{prefix}.start", "status": status, "headers": headers})
    await send({"type": f"{prefix}.body", "body": body, "more_body": False})

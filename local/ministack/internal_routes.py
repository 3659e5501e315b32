"""Routes under /_flywheel/ for SageMaker local and the lifecycle commands: events, authorize, signing-key, health.

They hand out secrets of credentials and publish AWS events, so all but health ask for the secret of the cloud, which
its owner alone can read.
"""

import hmac
import json
import os
from collections.abc import Callable
from typing import Any

from authorization import authorize, signing_key
from callers import Application, answer

PREFIX = "/_flywheel/"
SECRET_HEADER = b"x-flywheel-secret"
MAXIMUM_ENTRIES = 10  # of one PutEvents call


def with_internal_routes(application: Application, secret: str) -> Application:
    """The application with requests under /_flywheel/ answered here and all others passed on."""
    expected = secret.encode()

    async def routed(scope: dict, receive: Callable, send: Callable) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            status, content = await respond(scope, receive, expected)
            return await answer("http", send, status, content)
        await application(scope, receive, send)

    return routed


async def respond(scope: dict, receive: Callable, secret: bytes) -> tuple[int, dict]:
    route = scope["path"].removeprefix(PREFIX)
    if route == "health":
        return 200, {"status": "ok", "pid": os.getpid()}
    given = dict(scope["headers"]).get(SECRET_HEADER, b"")
    if not hmac.compare_digest(given, secret):
        return 403, {
            "message": f"{scope['path']}: the header {SECRET_HEADER.decode()} is not the secret of this cloud."
        }
    handler = {"events": publish_events, "authorize": authorize, "signing-key": signing_key}.get(route)
    if handler is None:
        return 404, {"message": f"No route {scope['path']}. There are events, authorize, signing-key and health."}
    if scope["method"] != "POST":
        return 405, {"message": f"{scope['path']}: got {scope['method']}, expected POST."}
    try:
        body = json.loads(await read_body(receive))
        return handler(body)
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        return 400, {"message": f"{scope['path']}: the body is not as expected: {error!r}"}


async def read_body(receive: Callable) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def publish_events(body: dict[str, Any]) -> tuple[int, dict]:
    """Publish events of an AWS service on the default bus.

    The public PutEvents refuses sources that start with `aws.`, as AWS does; AWS's services publish by another way, and
    so does this route.
    """
    from ministack.core.responses import set_request_account_id, set_request_region
    from ministack.services import eventbridge

    entries = body["entries"]
    set_request_account_id(body["account"])
    set_request_region(body["region"])
    for start in range(0, len(entries), MAXIMUM_ENTRIES):
        eventbridge._put_events({"Entries": entries[start : start + MAXIMUM_ENTRIES]}, allow_aws_source=True)
    return 200, {}

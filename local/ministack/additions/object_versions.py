"""`version-id` in the EventBridge events of S3, and the event's own time; MiniStack 1.5.33 leaves the version out."""

import contextvars
import json
from typing import Any

version_of_event: contextvars.ContextVar[str | None] = contextvars.ContextVar("version_of_event", default=None)


def install(_sagemaker_url: str) -> None:
    from ministack.services import eventbridge, s3

    fire, dispatch = s3._fire_s3_event, eventbridge._dispatch_event

    def fire_with_version(*arguments: Any, **named: Any) -> None:
        token = version_of_event.set(named.get("version_id"))
        try:
            fire(*arguments, **named)
        finally:
            version_of_event.reset(token)

    def dispatch_with_version(event: dict, view: Any = None) -> None:
        version = version_of_event.get()
        if version and event.get("Source") == "aws.s3":
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = version
            event, view = {**event, "Detail": json.dumps(detail)}, None
        dispatch(event, view)

    s3._fire_s3_event = fire_with_version
    eventbridge._dispatch_event = dispatch_with_version

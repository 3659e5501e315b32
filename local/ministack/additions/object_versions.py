"""`version-id` in the EventBridge events of S3, whose request it was, and ranges of a version.

MiniStack 1.5.33 leaves the version out, names the owner of the bucket as the requester, and answers a range of a
version with all of it.
"""

import contextvars
import json
from typing import Any

# None outside of an event of S3, empty for an object without a version.
version_of_event: contextvars.ContextVar[str | None] = contextvars.ContextVar("version_of_event", default=None)


def install(_sagemaker_url: str) -> None:
    from ministack.core.iam_evaluator import caller_arn
    from ministack.services import eventbridge, s3

    fire, dispatch = s3._fire_s3_event, eventbridge._dispatch_event

    def fire_with_version(*arguments: Any, **named: Any) -> None:
        token = version_of_event.set(named.get("version_id") or "")
        try:
            fire(*arguments, **named)
        finally:
            version_of_event.reset(token)

    def dispatch_with_version(event: dict, view: Any = None) -> None:
        version = version_of_event.get()
        if version is not None and event.get("Source") == "aws.s3":
            detail = json.loads(event["Detail"])
            detail["requester"] = caller_arn().split(":")[4]
            if version:
                detail["object"]["version-id"] = version
            event, view = {**event, "Detail": json.dumps(detail)}, None
        dispatch(event, view)

    get = s3._get_object

    def get_range(bucket: str, key: str, headers: dict, query: dict | None = None) -> Any:
        status, answer, body = get(bucket, key, headers, query)
        wanted = headers.get("range", "")
        if status != 200 or not wanted or not s3._qp(query or {}, "versionId", ""):
            return status, answer, body
        found = s3._parse_range(wanted, len(body))
        if found is None:
            answer = {"Content-Type": "application/xml", "Content-Range": f"bytes */{len(body)}"}
            return 416, answer, s3._xml_body(s3._range_error_xml(bucket, key))
        first, last = found
        # The checksum is that of the whole object.
        kept = {name: value for name, value in answer.items() if not name.lower().startswith("x-amz-checksum-")}
        part = body[first : last + 1]
        return (
            206,
            {**kept, "Content-Length": str(len(part)), "Content-Range": f"bytes {first}-{last}/{len(body)}"},
            part,
        )

    s3._get_object = get_range
    s3._fire_s3_event = fire_with_version
    eventbridge._dispatch_event = dispatch_with_version

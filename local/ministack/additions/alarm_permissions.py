"""Permission to read, put or delete alarms by name is permission for these alarms, as on AWS; MiniStack 1.5.33 asks
for one on `*`.

Of several names the first is checked: MiniStack asks about one resource a request.
"""

import json
from typing import Any


def install(_sagemaker_url: str) -> None:
    from ministack.core import iam_actions

    resource_of = iam_actions.extract_resource_arn

    def resource_of_alarm(service: str, *request: Any) -> str:
        _method, _path, _headers, body, query, region, account = request
        name = first_alarm(body, query) if service == "monitoring" else None
        if name is None:
            return resource_of(service, *request)
        return f"arn:aws:cloudwatch:{region}:{account}:alarm:{name}"

    iam_actions.extract_resource_arn = resource_of_alarm


def first_alarm(body: bytes, query: dict) -> str | None:
    """The first of the alarm names of a request (query or JSON protocol), None for a request that names none."""
    for name in ("AlarmNames.member.1", "AlarmName"):
        if name in query:
            values = query[name]
            return values[0] if isinstance(values, list) else values
    if not body.startswith(b"{"):
        return None
    request = json.loads(body)
    names = request.get("AlarmNames") or [request.get("AlarmName")]
    return names[0]

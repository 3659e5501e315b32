"""The policy of an event bus counts for PutEvents, a Deny too, and may come from a template or as a document.

MiniStack 1.5.33 keeps the statements of PutPermission, drops its `Policy`, does not know AWS::Events::EventBusPolicy,
and looks at none of them.
"""

import json
from typing import Any

MAXIMUM_CHARACTERS = 10_240  # "Event bus policy size", quotas of EventBridge


def install(_sagemaker_url: str) -> None:
    from ministack.core import iam_evaluator
    from ministack.services import eventbridge
    from ministack.services.cloudformation import provisioners

    find, put = iam_evaluator._resource_policy, eventbridge._put_permission

    def find_policy(service: str, resource: str) -> tuple | None:
        if service == "events" and ":event-bus/" in resource:
            policy = eventbridge._event_bus_policies.get(resource.partition(":event-bus/")[2])
            return (policy, resource.split(":")[4]) if policy else None
        return find(service, resource)

    def put_permission(data: dict) -> tuple:
        from ministack.core.responses import error_response_json, json_response

        name = data.get("EventBusName") or "default"
        kept = eventbridge._event_bus_policies.get(name)
        if data.get("Policy"):
            eventbridge._event_bus_policies[name] = json.loads(data["Policy"])
            answer = json_response({})
        else:
            answer = put({**data, "EventBusName": name})
        if len(json.dumps(eventbridge._event_bus_policies.get(name))) <= MAXIMUM_CHARACTERS:
            return answer
        restore(name, kept)
        return error_response_json("PolicyLengthExceededException", TOO_LONG, 400)

    iam_evaluator._resource_policy = find_policy
    eventbridge._put_permission = put_permission
    provisioners._RESOURCE_HANDLERS.setdefault(
        "AWS::Events::EventBusPolicy",
        {"create": create, "update": update, "update_with_logical_id": True, "delete": delete},
    )


TOO_LONG = f"The policy of an event bus may have {MAXIMUM_CHARACTERS} characters."


def restore(name: str, policy: dict | None) -> None:
    from ministack.services import eventbridge

    if policy is None:
        eventbridge._event_bus_policies.pop(name, None)
    else:
        eventbridge._event_bus_policies[name] = policy


def create(_logical_id: str, properties: dict, _stack: str) -> tuple[str, dict[str, str]]:
    identifier = properties["StatementId"]
    name = bus_of(properties)
    others = [each for each in statements(name) if each.get("Sid") != identifier]
    policy = {"Version": "2012-10-17", "Statement": [*others, statement_of(properties, name)]}
    if len(json.dumps(policy)) > MAXIMUM_CHARACTERS:
        raise ValueError(TOO_LONG)
    restore(name, policy)
    return f"{name}|{identifier}", {}


def update(_identifier: str, old: dict, new: dict, stack: str, logical_id: str) -> tuple[str, dict[str, str]]:
    delete("", old)
    return create(logical_id, new, stack)


def delete(_identifier: str, properties: dict) -> None:
    name = bus_of(properties)
    others = [each for each in statements(name) if each.get("Sid") != properties["StatementId"]]
    restore(name, {"Version": "2012-10-17", "Statement": others} if others else None)


def bus_of(properties: dict) -> str:
    return str(properties.get("EventBusName") or "default").rpartition("/")[2]


def statements(name: str) -> list[dict[str, Any]]:
    from ministack.services import eventbridge

    return (eventbridge._event_bus_policies.get(name) or {}).get("Statement", [])


def statement_of(properties: dict, name: str) -> dict[str, Any]:
    from ministack.core.responses import get_account_id, get_region

    given = properties.get("Statement")
    if given:
        document = json.loads(given) if isinstance(given, str) else given
        return {**document, "Sid": properties["StatementId"]}
    condition = properties.get("Condition")
    return {
        "Sid": properties["StatementId"],
        "Effect": "Allow",
        "Principal": properties.get("Principal", "*"),
        "Action": properties.get("Action", "events:PutEvents"),
        "Resource": f"arn:aws:events:{get_region()}:{get_account_id()}:event-bus/{name}",
        **({"Condition": {condition["Type"]: {condition["Key"]: condition["Value"]}}} if condition else {}),
    }

"""Who may publish what on an event bus, as on AWS; MiniStack 1.5.33 keeps a bus's policy and does not look at it.

* The policy of a bus counts: a Deny in it binds every principal of its account, the root user too.
* Each entry of PutEvents is judged by itself, with `events:source` and `events:detail-type`.
* `aws:PrincipalArn` of a role's session is the ARN of the role, with its path; MiniStack has the session's.
* AWS::Events::EventBusPolicy with a Statement.
"""

import json
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

Entries = list[dict[str, Any]]
_entries: ContextVar[Entries | None] = ContextVar("flywheel_put_events_entries", default=None)


def install(_sagemaker_url: str) -> None:
    from ministack.core import iam_actions, iam_evaluator
    from ministack.services import eventbridge
    from ministack.services.cloudformation import provisioners

    iam_evaluator._resolve_condition_key = with_role_arn(iam_evaluator._resolve_condition_key)
    eventbridge.bus_policy_for_arn = bus_policy
    iam_evaluator._RESOURCE_POLICY_LOOKUPS["events"] = ("eventbridge", "bus_policy_for_arn")
    iam_actions.extract_resource_arn = remembering_entries(iam_actions.extract_resource_arn)
    iam_evaluator.enforce = entry_by_entry(iam_evaluator.enforce)
    provisioners._RESOURCE_HANDLERS.setdefault(
        "AWS::Events::EventBusPolicy",
        {
            "create": put_statement,
            "update": update_statement,
            "update_with_logical_id": True,
            "delete": remove_statement,
        },
    )


def with_role_arn(resolve: Callable) -> Callable:
    def resolve_key(key: str, ctx: Any) -> Any:
        value = resolve(key, ctx)
        if key.lower() != "aws:principalarn" or ":assumed-role/" not in str(value):
            return value
        from ministack.services import iam

        role = iam._roles.get_scoped(value.split(":")[4], None, value.split("/")[1])
        return role["Arn"] if role else value

    return resolve_key


def bus_policy(arn: str) -> tuple[dict, str] | None:
    """Policy and owner of a bus; None for one without a policy, and for what is no bus."""
    from ministack.services import eventbridge

    _, _, name = arn.partition(":event-bus/")
    policy = eventbridge._event_bus_policies.get(name)
    return (policy, arn.split(":")[4]) if policy else None


def remembering_entries(resource_of: Callable) -> Callable:
    """The resource of a request, and on the way, of PutEvents, its entries: MiniStack judges by the bus alone."""

    def resource_of_request(service: str, *request: Any) -> str:
        body = request[3]
        _entries.set(entries_in(body) if service == "events" else [])
        return resource_of(service, *request)

    return resource_of_request


def entries_in(body: bytes) -> Entries:
    try:
        content = json.loads(body or b"{}")
    except ValueError:
        return []
    entries = content.get("Entries") if isinstance(content, dict) else None
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def entry_by_entry(enforce: Callable) -> Callable:
    def enforce_each(
        key: str, action: str, service: str, region: str, resource_arn: str = "*", service_context: Any = None
    ) -> Any:
        if action != "events:PutEvents":
            return enforce(key, action, service, region, resource_arn, service_context)
        for entry in [entry for entry in _entries.get() or [] if bus_arn(entry, region) == resource_arn] or [{}]:
            keys = {
                "events:source": entry.get("Source"),
                "events:detail-type": entry.get("DetailType"),
                "events:eventBusInvocation": "false",
            }
            context = {**(service_context or {}), **keys}
            refused = enforce(key, action, service, region, resource_arn, context)
            refused = refused or denied_by_bus(key, action, region, resource_arn, context)
            if refused:
                return refused
        return None

    return enforce_each


def bus_arn(entry: dict[str, Any], region: str) -> str:
    from ministack.core.responses import get_account_id

    name = entry.get("EventBusName") or "default"
    return name if name.startswith("arn:") else f"arn:aws:events:{region}:{get_account_id()}:event-bus/{name}"


def denied_by_bus(key: str, action: str, region: str, resource: str, context: dict[str, Any]) -> Any:
    """What the bus's policy denies to a caller whom MiniStack lets in unasked, the account's root user."""
    from ministack.core import iam_evaluator
    from ministack.core.responses import get_account_id

    found = bus_policy(resource)
    principal = iam_evaluator.resolve_principal(key or "", get_account_id())
    if found is None or isinstance(principal, iam_evaluator.AuthError) or principal.policies is not None:
        return None
    ctx = iam_evaluator.EvalContext(
        principal_arn=principal.arn,
        principal_type=principal.type,
        principal_account=principal.account,
        action=action,
        resource_arn=resource,
        region=region,
        service_context={name.lower(): value for name, value in context.items()},
        principal_keys=principal.keys,
    )
    result = iam_evaluator.evaluate_resource_policy(found[0], ctx)
    if result.decision != "Deny":
        return None
    result.resource_policy_arn = resource
    return result


def put_statement(_logical_id: str, properties: dict, _stack: str) -> tuple[str, dict[str, str]]:
    from ministack.services import eventbridge

    name, sid = properties.get("EventBusName") or "default", properties["StatementId"]
    statement = properties.get("Statement")
    if not isinstance(statement, dict):
        raise ValueError(
            "AWS::Events::EventBusPolicy needs a Statement here: Principal, Action and Condition are legacy"
        )
    policy = eventbridge._event_bus_policies.get(name) or {"Version": "2012-10-17", "Statement": []}
    others = [each for each in policy["Statement"] if each.get("Sid") != sid]
    eventbridge._event_bus_policies[name] = {**policy, "Statement": [*others, {**statement, "Sid": sid}]}
    return f"{name}|{sid}", {}


def update_statement(identifier: str, old: dict, new: dict, stack: str, logical_id: str) -> tuple[str, dict[str, str]]:
    created = put_statement(logical_id, new, stack)
    if created[0] != identifier:
        remove_statement(identifier, old)
    return created


def remove_statement(identifier: str, _properties: dict) -> None:
    from ministack.services import eventbridge

    name, _, sid = identifier.partition("|")
    if name in eventbridge._event_bus_policies:
        eventbridge._remove_permission({"EventBusName": name, "StatementId": sid})

"""Quotas of AWS that an installation meets as it grows, and that MiniStack 1.5.33 does not have.

| quota | of |
| --- | --- |
| 4 kB of variables | function |
| unreserved concurrency of 100, of 10 in a small account | account (of 1,000, or what the launcher was told) |
| 10,240 characters of inline policies, white space aside | role |
| 6,144 characters, white space aside | managed policy |
| 100 alarms of an alarm widget, 500 metrics of a graph | dashboard |
| 10,240 characters | policy of an event bus |
| 1 MB of entries | PutEvents |

Where the numbers are: "Lambda quotas", "Reserved concurrency", "IAM and AWS STS quotas", "Dashboard body structure and
syntax" of CloudWatch, "EventBridge quotas", and AWS's announcement of 29 January 2026 for payloads of EventBridge.
"""

import json
import os
from collections.abc import Callable
from typing import Any

from additions.resource_handlers import checked_before

VARIABLE_BYTES = 4096
DEFAULT_CONCURRENCY = 1000
INLINE_CHARACTERS = 10_240
MANAGED_CHARACTERS = 6144
WIDGET_LIMITS = {"alarms": 100, "metrics": 500}
BUS_POLICY_CHARACTERS = 10_240
ENTRIES_BYTES = 1_048_576


class ExceededError(ValueError):
    """Of a quota, in the service's words: a failed resource in a template, an error of the service otherwise."""


def install(_sagemaker_url: str) -> None:
    from ministack.core.responses import error_response_json
    from ministack.services import cloudwatch, eventbridge, iam, lambda_svc

    def checked(call: Callable, check: Callable, answer: Callable[[str], tuple]) -> Callable:
        """The call, after a check of its arguments whose refusal the answer tells."""

        def call_checked(*arguments: Any, **named: Any) -> tuple:
            try:
                check(*arguments)
            except ExceededError as error:
                return answer(str(error))
            return call(*arguments, **named)

        return call_checked

    def invalid_parameter(message: str) -> tuple:
        return error_response_json("InvalidParameterValueException", message, 400)

    def limit_exceeded(message: str) -> tuple:
        return iam._error(409, "LimitExceeded", message, ns="iam")

    def check_environment(data: dict) -> None:
        check_variables((data.get("Environment") or {}).get("Variables"))

    lambda_svc._create_function = checked(lambda_svc._create_function, check_environment, invalid_parameter)
    lambda_svc._update_config = checked(
        lambda_svc._update_config, lambda _name, data: check_environment(data), invalid_parameter
    )
    lambda_svc._put_function_concurrency = checked(
        lambda_svc._put_function_concurrency,
        lambda name, data: check_reservation(name, data.get("ReservedConcurrentExecutions")),
        invalid_parameter,
    )
    for name, check in (
        ("PutRolePolicy", check_inline_request),
        ("CreatePolicy", check_managed_request),
        ("CreatePolicyVersion", check_managed_request),
    ):
        iam._IAM_HANDLERS[name] = checked(iam._IAM_HANDLERS[name], check, limit_exceeded)
    eventbridge._put_events = checked(
        eventbridge._put_events, check_entries, lambda message: error_response_json("ValidationException", message, 400)
    )

    put_dashboard = cloudwatch._put_dashboard

    def put_dashboard_checked(params: dict, data: dict, is_cbor: bool, is_json: bool = False) -> tuple:
        body = data.get("DashboardBody") if is_cbor or is_json else cloudwatch._p(params, "DashboardBody")
        try:
            check_dashboard(body)
        except ExceededError as error:
            return cloudwatch._error("InvalidParameterInput", str(error), 400, use_json=is_json, use_cbor=is_cbor)
        return put_dashboard(params, data, is_cbor, is_json)

    cloudwatch._put_dashboard = put_dashboard_checked

    checked_before("AWS::Lambda::Function", check_function)
    checked_before("AWS::IAM::Policy", check_inline_template)
    checked_before("AWS::IAM::ManagedPolicy", lambda properties: check_managed(properties.get("PolicyDocument")))
    checked_before("AWS::Events::EventBusPolicy", check_bus_policy)
    checked_before("AWS::CloudWatch::Dashboard", lambda properties: check_dashboard(properties.get("DashboardBody")))


def check_function(properties: dict) -> None:
    check_variables((properties.get("Environment") or {}).get("Variables"))
    check_reservation(properties.get("FunctionName") or "", properties.get("ReservedConcurrentExecutions"))


def check_variables(variables: dict | None) -> None:
    text = json.dumps(variables or {}, separators=(",", ":"))
    if len(text.encode()) > VARIABLE_BYTES:
        raise ExceededError(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided exceeded the 4KB limit. String measured: {text}"
        )


def check_reservation(name: str, reserved: Any) -> None:
    from ministack.services import lambda_svc

    if not reserved:
        return
    account = int(os.environ.get("LAMBDA_ACCOUNT_CONCURRENCY") or DEFAULT_CONCURRENCY)
    others = sum(
        int(lambda_svc._functions[each].get("concurrency") or 0) for each in lambda_svc._functions if each != name
    )
    minimum = 100 if account > 100 else 10
    if account - others - int(reserved) < minimum:
        raise ExceededError(
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
            f"below its minimum value of [{minimum}]."
        )


def characters(document: Any) -> int:
    """IAM counts no white space."""
    text = document if isinstance(document, str) else json.dumps(document or {})
    return len("".join(text.split()))


def check_inline(role_name: str, policy_name: str, document: Any) -> None:
    from ministack.services import iam

    policies = {**((iam._roles.get(role_name) or {}).get("InlinePolicies") or {}), policy_name: document}
    if sum(characters(each) for each in policies.values()) > INLINE_CHARACTERS:
        raise ExceededError(f"Maximum policy size of {INLINE_CHARACTERS} bytes exceeded for role {role_name}")


def check_inline_request(request: dict) -> None:
    from ministack.services.iam import _p

    check_inline(_p(request, "RoleName"), _p(request, "PolicyName"), _p(request, "PolicyDocument"))


def check_inline_template(properties: dict) -> None:
    for role in properties.get("Roles") or []:
        check_inline(role, properties.get("PolicyName") or "", properties.get("PolicyDocument"))


def check_managed(document: Any) -> None:
    if characters(document) > MANAGED_CHARACTERS:
        raise ExceededError(f"Cannot exceed quota for PolicySize: {MANAGED_CHARACTERS}")


def check_managed_request(request: dict) -> None:
    from ministack.services.iam import _p

    check_managed(_p(request, "PolicyDocument"))


def check_bus_policy(properties: dict) -> None:
    from ministack.services import eventbridge

    policy = eventbridge._event_bus_policies.get(properties.get("EventBusName") or "default") or {}
    others = [each for each in policy.get("Statement", []) if each.get("Sid") != properties.get("StatementId")]
    statement = {"Sid": properties.get("StatementId"), **(properties.get("Statement") or {})}
    if characters({"Version": "2012-10-17", "Statement": [*others, statement]}) > BUS_POLICY_CHARACTERS:
        raise ExceededError(f"The policy of an event bus may have {BUS_POLICY_CHARACTERS} characters.")


def check_dashboard(body: Any) -> None:
    try:
        widgets = (json.loads(body) if isinstance(body, str) else body or {}).get("widgets", [])
    except (ValueError, AttributeError):
        return
    for index, widget in enumerate(widgets):
        for field, limit in WIDGET_LIMITS.items():
            if len((widget.get("properties") or {}).get(field) or []) > limit:
                raise ExceededError(
                    "The dashboard body is invalid, there are 1 validation errors: "
                    f"/widgets/{index}/properties/{field} should NOT have more than {limit} items"
                )


def check_entries(request: dict, *_rest: Any) -> None:
    """Sizes as "Calculating PutEvents event entry size" adds them up."""
    total = 0
    for entry in request.get("Entries") or []:
        total += 14 if entry.get("Time") else 0
        texts = [entry.get("Source"), entry.get("DetailType"), entry.get("Detail"), *(entry.get("Resources") or [])]
        total += sum(len(text.encode()) for text in texts if isinstance(text, str))
    if total > ENTRIES_BYTES:
        raise ExceededError("Total size of the entries in the request is over the limit.")

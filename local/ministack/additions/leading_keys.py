"""Which items a policy lets a caller reach: `dynamodb:LeadingKeys` are the partition keys that a request names.

MiniStack 1.5.33 sends no such key, and a condition with `ForAllValues` passes without it: everything is allowed. AWS's
word: DynamoDB developer guide, "Using IAM policy conditions for fine-grained access control"; "Using IAM with DynamoDB
transactions", by which what a transaction holds is asked for as PutItem, UpdateItem, DeleteItem, GetItem and
ConditionCheckItem. Here each of them is asked with its own key. Of Query and of batches no key is sent.
"""

import json
from collections.abc import Callable
from typing import Any

KEY = "dynamodb:LeadingKeys"


class ArnOfItem(str):
    """The table that MiniStack asks about, with the partition key of the item that it is asked for."""

    leading_key: str


def install(_sagemaker_url: str) -> None:
    from ministack.core import iam_actions, iam_evaluator

    iam_actions.dynamodb_service_context = with_key(iam_actions.dynamodb_service_context)
    iam_actions.dynamodb_transaction_checks = item_by_item(iam_actions.dynamodb_transaction_checks)
    iam_evaluator.enforce = asking_for_item(iam_evaluator.enforce)


def with_key(context_of: Callable) -> Callable:
    def context_of_request(body: bytes) -> dict[str, Any]:
        request = parsed(body)
        key = leading_key(request)
        return {**context_of(body), **({} if key is None else {KEY: [key]})}

    return context_of_request


def item_by_item(checks_of: Callable) -> Callable:
    def checks_of_items(action: str, body: bytes, *place: str) -> list[tuple[str, str]]:
        items = parsed(body).get("TransactItems")
        checks = []
        for item in items if isinstance(items, list) else []:
            # One after the other, so that each answer is known to be of its item.
            for checked, arn in checks_of(action, json.dumps({"TransactItems": [item]}).encode(), *place):
                detail = item.get(checked.removeprefix("dynamodb:").removesuffix("Item"))
                of_item = ArnOfItem(arn)
                of_item.leading_key = leading_key(detail if isinstance(detail, dict) else {}) or ""
                checks.append((checked, of_item))
        return checks

    return checks_of_items


def asking_for_item(enforce: Callable) -> Callable:
    def enforce_item(
        key: str, action: str, service: str, region: str, resource_arn: str = "*", service_context: Any = None
    ) -> Any:
        if isinstance(resource_arn, ArnOfItem):
            service_context = {**(service_context or {}), KEY: [resource_arn.leading_key]}
        return enforce(key, action, service, region, resource_arn, service_context)

    return enforce_item


def leading_key(request: dict[str, Any]) -> str | None:
    """The partition key's value in what a request of one item names; None for other requests."""
    from ministack.services import dynamodb

    key = request.get("Key") or request.get("Item")
    table = dynamodb._tables.get(str(request.get("TableName")).rpartition("/")[2])
    if not isinstance(key, dict) or table is None:
        return None
    name = next((each["AttributeName"] for each in table["KeySchema"] if each["KeyType"] == "HASH"), None)
    value = key.get(name)
    return str(next(iter(value.values()), "")) if isinstance(value, dict) else None


def parsed(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        return {}
    return request if isinstance(request, dict) else {}

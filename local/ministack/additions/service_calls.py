"""Whether an AWS service may do for its customer what it is about to do: the policies that decide it, and the reason
when they do not.

A service calls as itself (`events.amazonaws.com`), and the policies of the resource and of the key behind it must let
it in; or it calls in a role of the customer's (a function's dead letters, a schedule's target), whose policies count
too.
"""

import json
from dataclasses import dataclass
from typing import Any

KEY_ACTIONS = ("kms:GenerateDataKey", "kms:Decrypt")


@dataclass(frozen=True)
class Service:
    """A service principal, and the resource for which it calls: a rule, an alarm, a topic, an API."""

    name: str
    source_arn: str
    account: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Role:
    """A role that a service assumes for its call; source_arn is what the role's trust policy may ask for."""

    arn: str
    assumed_by: Service

    def __str__(self) -> str:
        return self.arn


Caller = Service | Role


def refusal(caller: Caller, action: str, resource: str) -> str | None:
    """Why the call is refused, in AWS's words as far as they are public; None when it is allowed."""
    key = key_behind(resource)
    if isinstance(caller, Role):
        return role_refusal(caller, action, resource) or (key_refusal(caller, key, resource) if key else None)
    policy = policy_of(resource)
    context = source_of(caller, resource.split(":")[2])
    if not allows(policy, caller, action, resource, context):
        return (
            f"{caller} is not authorized to perform: {action} on resource: {resource} "
            f"because no resource-based policy allows the {action} action"
        )
    return key_refusal(caller, key, resource) if key else None


def source_of(caller: Service, receiver: str) -> dict[str, Any]:
    """Condition keys that a service sends about its source.

    EventBridge sends none to topics ("You can't use Condition blocks in Amazon SNS topic policies for EventBridge",
    EventBridge user guide, resource-based policies) and none to keys ("Adding the aws:SourceAccount, aws:SourceArn, and
    aws:SourceOrgID to a AWS KMS policy is not supported for EventBridge-to-encrypted topics", SNS developer guide, key
    management; of queues it is not said, so they are treated alike).
    """
    if caller.name == "events.amazonaws.com" and receiver in ("sns", "kms"):
        return {}
    source = {"aws:sourcearn": caller.source_arn, "aws:sourceaccount": caller.account}
    return {**source, "aws:sourceowner": caller.account} if receiver == "sns" else source


def allows(policy: Any, caller: Service, action: str, resource: str, context: dict[str, Any]) -> bool:
    from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
    from ministack.core.responses import get_region

    request = EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action=action,
        resource_arn=resource,
        region=get_region(),
        secure_transport=True,
        service_context=context,
    )
    return evaluate_resource_policy(policy, request, service=caller.name).decision == "Allow"


def policy_of(resource: str) -> Any:
    from ministack.core.iam_evaluator import _resource_policy

    found = _resource_policy(resource.split(":")[2], resource)
    return found[0] if found else None


def role_refusal(role: Role, action: str, resource: str, keys: dict[str, Any] | None = None) -> str | None:
    """Policies of the role and of the resource, and whether the role trusts the service at all."""
    from ministack.core import iam_evaluator
    from ministack.core.responses import get_region
    from ministack.services import iam

    account, name = role.arn.split(":")[4], role.arn.rsplit("/", 1)[-1]
    record = iam._roles.get_scoped(account, None, name)
    if record is None:
        return f"The role {role.arn} does not exist."
    trust = record.get("AssumeRolePolicyDocument") or {}
    source = source_of(role.assumed_by, "sts")
    if not allows(without_resource(trust), role.assumed_by, "sts:AssumeRole", "*", source):
        return f"{role.assumed_by} is not authorized to perform: sts:AssumeRole on resource: {role.arn}"
    request = iam_evaluator.EvalContext(
        principal_arn=f"arn:aws:sts::{account}:assumed-role/{name}/{role.assumed_by.name.partition('.')[0]}",
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=get_region(),
        secure_transport=True,
        service_context=keys or {},
    )
    limits = iam_evaluator._permissions_boundary(iam._roles, name, account)
    result = iam_evaluator.evaluate(request, iam_evaluator._gather_role_policies(name, account), *limits)
    service = resource.split(":")[2]
    found = iam_evaluator._resource_policy(service, resource)
    if found is not None:
        required = service in iam_evaluator._POLICY_REQUIRED
        result = iam_evaluator.combine_resource_policy(result, request, *found, required=required, limits=tuple(limits))
    if result.decision == "Allow":
        return None
    from ministack.core.iam_actions import identity_denial_message

    return identity_denial_message(action, request.principal_arn, resource, result.decision == "Deny")


def without_resource(trust: dict | str) -> dict:
    """A trust policy as a policy of a resource: its statements name none."""
    document = json.loads(trust) if isinstance(trust, str) else trust
    statements = document.get("Statement", [])
    statements = [statements] if isinstance(statements, dict) else statements
    return {"Statement": [{**statement, "Resource": "*"} for statement in statements]}


def key_refusal(caller: Caller, key: str, resource: str, actions: tuple[str, ...] = KEY_ACTIONS) -> str | None:
    """Why the caller may not use the key behind a resource; None when it may."""
    from ministack.services import kms

    record = kms._resolve_key(key)
    if record is None:
        managed_by_aws = "alias/aws/" in key
        if isinstance(caller, Role) and managed_by_aws:
            return None
        return f"{caller} does not have authorization to access the encryption key {key} of {resource}"
    if record.get("KeyState", "Enabled") != "Enabled":
        return f"{record['Arn']} is {record['KeyState']}."
    context = encryption_context(resource)
    for action in actions:
        if isinstance(caller, Role):
            service = resource.split(":")[2]
            via = {"kms:viaservice": f"{service}.{record['Arn'].split(':')[3]}.amazonaws.com", **context}
            refused = role_refusal(caller, action, record["Arn"], via)
            if refused:
                return refused
        elif not allows(record.get("Policy"), caller, action, record["Arn"], {**source_of(caller, "kms"), **context}):
            return (
                f"User: {caller} is not authorized to perform: {action} on this resource because the resource does "
                "not exist in this Region, no resource-based policies allow access, or a resource-based policy "
                f"explicitly denies access ({record['Arn']}, the key of {resource})"
            )
    return None


def encryption_context(resource: str) -> dict[str, str]:
    """What a service tells the key about the data: names of the developer guides of SNS and CloudWatch Logs."""
    names = {"sns": "aws:sns:topicarn", "logs": "aws:logs:arn"}
    name = names.get(resource.split(":")[2])
    return {f"kms:encryptioncontext:{name}": resource} if name else {}


def key_behind(resource: str) -> str | None:
    """The customer's or AWS's key that encrypts a topic, queue or table; None for keys that belong to the service."""
    from ministack.services import dynamodb, sns, sqs

    service = resource.split(":")[2] if resource.startswith("arn:") else ""
    if service == "sns":
        topic = sns._topic_by_arn_any_scope(resource)
        return (topic or {}).get("attributes", {}).get("KmsMasterKeyId") or None
    if service == "sqs":
        queue = sqs._queue_by_arn(resource)
        return (queue or {}).get("attributes", {}).get("KmsMasterKeyId") or None
    if service == "dynamodb":
        table = dynamodb._tables.get(resource.partition(":table/")[2].partition("/")[0])
        sse = (table or {}).get("SSEDescription") or {}
        return sse.get("KMSMasterKeyArn") if sse.get("Status") == "ENABLED" else None
    return None

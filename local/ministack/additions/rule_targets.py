"""Who calls the target of a rule or schedule, and why it may not: by the service itself, or by a role."""

from additions.service_calls import Caller, Role, Service, key_behind, refusal

ACTIONS = {"lambda": "lambda:InvokeFunction", "sns": "sns:Publish", "sqs": "sqs:SendMessage"}


def reason_not_to_call(target: dict, rule: dict) -> tuple[str, str] | None:
    """Error code and message when a rule or schedule may not call its target or finds none; None when it may."""
    arn = target.get("Arn", "")
    service = arn.split(":")[2] if arn.startswith("arn:") else ""
    if service not in ACTIONS:
        return None
    if not exists(arn, service):
        return "RESOURCE_NOT_FOUND", f"There is no {arn}"
    role = target.get("RoleArn")
    if not is_schedule(rule) and role and service != "lambda" and key_behind(arn):
        # "do not specify a RoleArn ... event delivery may fail, particularly for Amazon SQS and Amazon SNS targets with
        # AWS KMS encryption enabled": EventBridge user guide, resource-based policies.
        return "NO_PERMISSIONS", f"A role does not reliably deliver to {arn}, which is encrypted; use its policy."
    message = refusal(sender_of(rule, role), ACTIONS[service], arn)
    return None if message is None else ("NO_PERMISSIONS", message)


def exists(arn: str, service: str) -> bool:
    from ministack.services import lambda_svc, sns, sqs

    if service == "sns":
        return sns._topic_by_arn_any_scope(arn) is not None
    if service == "sqs":
        return sqs._queue_by_arn(arn) is not None
    function, config, _name = lambda_svc._get_func_record_for_ref(arn)
    return bool(function and config)


def is_schedule(rule: dict) -> bool:
    return ":scheduler:" in rule.get("Arn", "")


def sender_of(rule: dict, role: str | None) -> Caller:
    """Who calls a target: the role that it names, and without one the service. A schedule always has a role."""
    arn = rule.get("Arn", "")
    account = arn.split(":")[4]
    if is_schedule(rule):
        # A trust policy sees the ARN of the schedule's group: "Confused deputy prevention in EventBridge Scheduler".
        group = arn.rpartition("/")[0].replace(":schedule/", ":schedule-group/")
        service = Service("scheduler.amazonaws.com", group, account)
    else:
        service = Service("events.amazonaws.com", arn, account)
    return Role(role, service) if role else service


def sender_of_dead_letters(target: dict, rule: dict) -> Caller:
    """A schedule's dead letters go by its role, a rule's by the queue's policy, whatever role the target has."""
    return sender_of(rule, target.get("RoleArn") if is_schedule(rule) else None)

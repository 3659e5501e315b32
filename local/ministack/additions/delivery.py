"""Asynchronous calls of functions as AWS makes them.

    EventBridge rule, Scheduler ──▶ [permission?] ──▶ function ──▶ again, twice ──▶ dead-letter queue
                                         │ no   └───▶ topic, queue
                                         └──▶ dead-letter queue of the rule's target

MiniStack 1.5.33 calls a rule's function once, without retries and without its dead-letter queue, sends dead letters in
the shape of a destination, and asks no policy of target, key, queue or role. What no queue takes is lost, with a
warning.
"""

import contextvars
import json
import logging
import os
import threading
import time
from typing import Any

from additions.rule_targets import reason_not_to_call, sender_of_dead_letters
from additions.service_calls import Caller, Role, Service, refusal

logger = logging.getLogger("flywheel.delivery")

# AWS waits 1 and then 2 minutes; nobody waits so long at a laptop.
FIRST_RETRY_SECONDS = float(os.environ.get("LAMBDA_ASYNC_RETRY_BASE_SECONDS", "0.2"))
THROTTLE_RETRY_SECONDS = 0.25
DEFAULT_RETRIES = 2
DEFAULT_MAXIMUM_AGE_SECONDS = 21600
ERROR_MESSAGE_LIMIT = 1024  # AWS cuts the attribute ErrorMessage at 1 KB


def install(_sagemaker_url: str) -> None:
    from ministack.services import eventbridge, lambda_svc

    lambda_svc.invoke_async_with_retry = invoke_asynchronously

    call_target = eventbridge._invoke_target

    def call_target_or_dead_letter(target: dict, event: dict, rule: dict, view: Any = None) -> None:
        arn = target.get("Arn", "")
        reason = reason_not_to_call(target, rule)
        if reason is None:
            call_target(target, event, rule, view)
            return
        code, message = reason
        logger.warning("Rule %s did not call %s: %s", rule.get("Arn"), arn, message)
        queue = (target.get("DeadLetterConfig") or {}).get("Arn")
        if queue:
            payload = json.dumps(eventbridge._pattern_event_view(event).event_with_detail())
            attributes = {"RULE_ARN": rule.get("Arn", ""), "TARGET_ARN": arn, "ERROR_CODE": code}
            send_to_queue(
                queue, payload, {**attributes, "ERROR_MESSAGE": message}, sender_of_dead_letters(target, rule)
            )

    def dispatch(arn: str, payload: str) -> None:
        function, config, _name = lambda_svc._get_func_record_for_ref(arn)
        event = json.loads(payload)
        invoke_asynchronously(lambda_svc._execution_record_for_config(function, config), event)

    eventbridge._invoke_target = call_target_or_dead_letter
    eventbridge._dispatch_to_lambda = dispatch


def invoke_asynchronously(function: dict, event: Any) -> None:
    """Call a function in the background; retry a failure; hand an event that never succeeds to its dead-letter queue.

    All attempts share one request id, as on AWS. A throttled attempt (reserved concurrency) waits and does not count.
    """
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run_attempts, function, event), daemon=True).start()


def run_attempts(function: dict, event: Any) -> None:
    from ministack.core.responses import new_uuid
    from ministack.services import lambda_svc

    config = function.get("config") or function
    account, region = lambda_svc._account_region_from_function_config(config)
    lambda_svc._request_account_id.set(account)
    lambda_svc._request_region.set(region)
    settings = current_invoke_config(function, config)
    retries = settings.get("MaximumRetryAttempts")
    retries = DEFAULT_RETRIES if retries is None else int(retries)
    deadline = time.time() + int(settings.get("MaximumEventAgeInSeconds") or DEFAULT_MAXIMUM_AGE_SECONDS)
    request_id, attempt, result = new_uuid(), 0, {}
    while True:
        slot, _limit = lambda_svc._acquire_execution_slot(function, config)
        if slot is None:
            if time.time() + THROTTLE_RETRY_SECONDS > deadline:
                break
            time.sleep(THROTTLE_RETRY_SECONDS)
            continue
        try:
            result = lambda_svc._execute_function_dispatch(function, config, event, request_id, time.time())
        finally:
            lambda_svc._release_execution_slot(slot)
        if not result.get("error"):
            succeed(settings, config, event, result, request_id, attempt + 1)
            return
        delay = FIRST_RETRY_SECONDS * 2**attempt
        if attempt >= retries or time.time() + delay > deadline:
            break
        time.sleep(delay)
        attempt += 1
    fail(settings, config, event, result, request_id, attempt + 1)


def current_invoke_config(function: dict, config: dict) -> dict:
    """EventInvokeConfig of the function; a version or alias has its own, $LATEST stands for none."""
    configs = function.get("event_invoke_configs") or {}
    return function.get("event_invoke_config") or configs.get(config.get("Version", "$LATEST")) or {}


def succeed(settings: dict, config: dict, event: Any, result: dict, request_id: str, attempts: int) -> None:
    destination = (settings.get("DestinationConfig") or {}).get("OnSuccess", {}).get("Destination")
    if destination:
        content = record(config, event, result, request_id, attempts, "Success")
        send_to_destination(destination, content, role_of(config))


def fail(settings: dict, config: dict, event: Any, result: dict, request_id: str, attempts: int) -> None:
    destination = (settings.get("DestinationConfig") or {}).get("OnFailure", {}).get("Destination")
    if destination:
        content = record(config, event, result, request_id, attempts, "RetriesExhausted")
        send_to_destination(destination, content, role_of(config))
    queue = (config.get("DeadLetterConfig") or {}).get("TargetArn")
    if not queue:
        return
    body = result.get("body") if isinstance(result.get("body"), dict) else {}
    message = str(body.get("errorMessage", "Rate Exceeded."))[:ERROR_MESSAGE_LIMIT]
    attributes = {"RequestID": request_id, "ErrorCode": "200" if body else "429", "ErrorMessage": message}
    if ":sqs:" in queue:
        send_to_queue(queue, json.dumps(event), attributes, role_of(config))
    elif ":sns:" in queue:
        publish_to_topic(queue, json.dumps(event), attributes, role_of(config))


def role_of(config: dict) -> Role:
    """A function's dead letters and results go in its own role."""
    arn = config.get("FunctionArn", "")
    return Role(config.get("Role", ""), Service("lambda.amazonaws.com", arn, arn.split(":")[4]))


def record(config: dict, event: Any, result: dict, request_id: str, attempts: int, condition: str) -> dict:
    """Record that a destination receives, in the shape of the Lambda developer guide."""
    from ministack.core.responses import now_iso

    context = {"statusCode": 200, "executedVersion": config.get("Version", "$LATEST")}
    if condition != "Success":
        context["functionError"] = "Unhandled"
    return {
        "version": "1.0",
        "timestamp": now_iso(),
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{config.get('FunctionArn', '')}:{config.get('Version', '$LATEST')}",
            "condition": condition,
            "approximateInvokeCount": attempts,
        },
        "requestPayload": event,
        "responseContext": context,
        "responsePayload": result.get("body"),
    }


def send_to_destination(arn: str, content: dict, sender: Caller) -> None:
    from ministack.core.arn import parse_arn
    from ministack.services import eventbridge, lambda_svc

    service = parse_arn(arn).service
    if service == "sqs":
        send_to_queue(arn, json.dumps(content), {}, sender)
    elif service == "sns":
        publish_to_topic(arn, json.dumps(content), {}, sender)
    elif service == "events":
        entry = {
            "Source": "lambda",
            "DetailType": f"Lambda Function Invocation Result - {content['requestContext']['condition']}",
            "Detail": json.dumps(content),
            "EventBusName": arn,
            "Resources": [arn, content["requestContext"]["functionArn"]],
        }
        eventbridge._put_events({"Entries": [entry]})
    elif service == "lambda":
        function, config, _name = lambda_svc._get_func_record_for_ref(arn)
        if function:
            invoke_asynchronously(lambda_svc._execution_record_for_config(function, config), content)


def is_refused(sender: Caller, action: str, arn: str) -> bool:
    reason = refusal(sender, action, arn)
    if reason:
        logger.warning("Dead letter or result lost: %s", reason)
    return reason is not None


def send_to_queue(arn: str, body: str, attributes: dict[str, str], sender: Caller) -> None:
    """Put a message into a queue as an AWS service does; one that is lost is a warning, on AWS a metric."""
    from hashlib import md5

    from ministack.core.concurrency import esm_wake
    from ministack.core.responses import get_account_id, new_uuid
    from ministack.services import sqs

    queue = sqs._queue_by_arn(arn)
    if queue is None:
        logger.warning("Dead letter lost: there is no queue %s", arn)
        return
    if is_refused(sender, "sqs:SendMessage", arn):
        return
    now = time.time()
    typed = {
        name: {"DataType": "Number" if name == "ErrorCode" else "String", "StringValue": value}
        for name, value in attributes.items()
        if value
    }
    message = {
        "id": new_uuid(),
        "body": body,
        "md5_body": md5(body.encode()).hexdigest(),
        "md5_attrs": sqs._md5_msg_attrs(typed) or "",
        "receipt_handle": None,
        "sent_at": now,
        "visible_at": now + sqs.queue_delay(queue),
        "receive_count": 0,
        "first_receive_at": None,
        "message_attributes": typed,
        "sys": {"SenderId": get_account_id(), "SentTimestamp": str(int(now * 1000))},
        "group_id": None,
        "dedup_id": None,
        "dedup_cache_key": None,
        "seq": None,
    }
    queue["messages"].append(message)
    esm_wake.set()
    for listener in queue_listeners:
        listener(arn)


def publish_to_topic(arn: str, body: str, attributes: dict[str, str], sender: Caller) -> None:
    from ministack.core.responses import new_uuid
    from ministack.services import sns

    if is_refused(sender, "sns:Publish", arn):
        return
    typed = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    sns._fanout(arn, new_uuid(), body, "", "", typed)


# Called with the queue's ARN after a dead letter arrived: alarms on queues are evaluated at once.
queue_listeners: list[Any] = []

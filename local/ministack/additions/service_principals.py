"""Services need permission for what they do for a customer, as on AWS: alarms to publish, topics to deliver, an HTTP
API to call its function, buckets and log groups to reach theirs; and permission for the key behind a topic or queue.

MiniStack 1.5.33 publishes, delivers and calls without asking, and looks at no key. What is refused is a warning in the
log; an alarm's action also leaves an entry in the alarm's history, as on AWS. Rules and schedules: delivery.py.
"""

import json
import logging
import time
from typing import Any

from additions.service_calls import Service, refusal

logger = logging.getLogger("flywheel.permissions")


def install(_sagemaker_url: str) -> None:
    from ministack.core.responses import error_response_json, get_account_id, get_region
    from ministack.services import apigateway, cloudwatch, cloudwatch_logs, s3, sns, sqs

    act, deliver, call = cloudwatch._dispatch_alarm_actions, sns._deliver_to_lambda, apigateway._invoke_lambda_proxy

    def act_where_allowed(alarm: dict, old_state: str, new_state: str, reason: str) -> None:
        act({**alarm, **allowed_actions(alarm, new_state)}, old_state, new_state, reason)

    def deliver_where_allowed(endpoint: str, envelope: str, topic_arn: str, *rest: Any) -> None:
        if allowed(service_of("sns.amazonaws.com", topic_arn), "lambda:InvokeFunction", endpoint):
            deliver(endpoint, envelope, topic_arn, *rest)

    async def call_where_allowed(
        integration: dict, api_id: str, stage: str, path: str, method: str, *rest: Any, **named
    ):
        function = apigateway._extract_lambda_ref_from_integration_uri(integration.get("integrationUri", ""))
        account, region = named["owner_account_id"], named["owner_region"]
        route = route_path(rest[3] if len(rest) > 3 else named.get("route_key", "$default"))
        source = f"arn:aws:execute-api:{region}:{account}:{api_id}/{stage}/{method}{route}"
        caller = Service("apigateway.amazonaws.com", source, account)
        if function.startswith("arn:") and not allowed(caller, "lambda:InvokeFunction", function):
            # What a client of an HTTP API gets; the reason is for the operator alone.
            return 500, {"Content-Type": "application/json"}, b'{"message":"Internal Server Error"}'
        return await call(integration, api_id, stage, path, method, *rest, **named)

    def topic_lets_in(topic: str, service: str, source_arn: str, account: str) -> bool:
        return allowed(Service(service, source_arn, account), "sns:Publish", topic)

    def queue_lets_in(queue: str, service: str, source_arn: str, account: str) -> bool:
        return allowed(Service(service, source_arn, account), "sqs:SendMessage", queue)

    notify, subscribe = s3._deliver_event_to_lambda, cloudwatch_logs._put_subscription_filter

    def notify_where_allowed(arn: str, payload: dict, region: str) -> None:
        bucket = payload["Records"][0]["s3"]["bucket"]["name"]
        caller = Service("s3.amazonaws.com", f"arn:aws:s3:::{bucket}", get_account_id())
        if allowed(caller, "lambda:InvokeFunction", arn):
            notify(arn, payload, region)

    def subscribe_where_allowed(request: dict) -> tuple:
        function = request.get("destinationArn", "")
        group = f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{request.get('logGroupName')}:*"
        names = ("logs.amazonaws.com", f"logs.{get_region()}.amazonaws.com")
        callers = [Service(name, group, get_account_id()) for name in names]
        if ":function:" in function and all(refusal(each, "lambda:InvokeFunction", function) for each in callers):
            message = "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to "
            return error_response_json("InvalidParameterException", f"{message}execute your function.", 400)
        return subscribe(request)

    s3._deliver_event_to_lambda = notify_where_allowed
    cloudwatch_logs._put_subscription_filter = subscribe_where_allowed
    cloudwatch._dispatch_alarm_actions = act_where_allowed
    sns._deliver_to_lambda = deliver_where_allowed
    sns.topic_policy_allows = topic_lets_in
    sqs.queue_policy_allows = queue_lets_in
    apigateway._invoke_lambda_proxy = call_where_allowed


def service_of(name: str, source_arn: str) -> Service:
    return Service(name, source_arn, source_arn.split(":")[4])


def allowed(caller: Service, action: str, resource: str) -> bool:
    reason = refusal(caller, action, resource)
    if reason:
        logger.warning("%s, for %s: %s", caller, caller.source_arn, reason)
    return reason is None


def route_path(route_key: str) -> str:
    """`/projects/{project}` of `GET /projects/{project}`: API Gateway names the route, not the request's own path."""
    return route_key.partition(" ")[2]


ACTION_FIELDS = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}


def allowed_actions(alarm: dict, state: str) -> dict[str, list[str]]:
    """The alarm's actions for a state, without those that the topic or its key refuses; all are in its history."""
    field = ACTION_FIELDS.get(state)
    if field is None or not alarm.get("ActionsEnabled", True):
        return {}
    kept = []
    for action in alarm.get(field) or []:
        if ":sns:" not in action:
            kept.append(action)
            continue
        reason = refusal(service_of("cloudwatch.amazonaws.com", alarm["AlarmArn"]), "sns:Publish", action)
        if reason is None:
            kept.append(action)
        else:
            logger.warning("Alarm %s did not execute its action %s: %s", alarm["AlarmName"], action, reason)
        record_action(alarm, action, state, reason)
    return {field: kept}


def record_action(alarm: dict, action: str, state: str, reason: str | None) -> None:
    """The entry of DescribeAlarmHistory that says whether an action was executed."""
    from ministack.services import cloudwatch

    published = {"actionState": "Succeeded" if reason is None else "Failed", "notificationResource": action}
    data = {"stateUpdateTimestamp": int(time.time() * 1000), "stateUpdateValue": state, **published}
    summary = f"Successfully executed action {action}"
    if reason is not None:
        data["error"] = reason
        summary = f'Failed to execute action {action}. Received error: "{reason}"'
    cloudwatch._history_entries().append(
        {
            "AlarmName": alarm["AlarmName"],
            "AlarmType": "CompositeAlarm" if "AlarmRule" in alarm else "MetricAlarm",
            "Timestamp": cloudwatch._ts_iso(time.time()),
            "HistoryItemType": "Action",
            "HistorySummary": summary,
            "HistoryData": json.dumps(data),
        }
    )

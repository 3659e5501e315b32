"""CloudWatch alarms: evaluated as data arrives, on their own dimensions, with metric math, and announced by events.

MiniStack 1.5.33 pools the points of a metric over all dimensions and over all periods, ignores TreatMissingData and
M out of N, refuses metric math, never evaluates an alarm on metrics that services write, has no metrics of queues, and
emits no `CloudWatch Alarm State Change` event.
"""

import json
import logging
import threading
import time
from datetime import UTC, datetime
from typing import Any

from additions import delivery
from additions.metric_math import evaluate_expression

logger = logging.getLogger("flywheel.alarms")

# Only for what no event announces: data that grow old, and queues that are filled and emptied by their users.
SWEEP_SECONDS = 2
COMPARISONS = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}
evaluating = threading.RLock()
# By ARN, the state that the last event announced: previousState of the next.
last_states: dict[str, dict] = {}


def install(_sagemaker_url: str) -> None:
    from ministack.services import cloudwatch

    cloudwatch._evaluate_alarm = evaluate_alarm
    cloudwatch._evaluate_all_alarms = lambda: None  # _store_datum below has done it, for the alarms concerned

    store = cloudwatch._store_datum

    def store_and_evaluate(namespace: str, name: str, *rest: Any) -> None:
        store(namespace, name, *rest)
        evaluate_alarms_on(namespace, name)

    record = cloudwatch.record_metric

    def record_and_evaluate(namespace: str, name: str, *rest: Any, **named: Any) -> None:
        record(namespace, name, *rest, **named)
        evaluate_alarms_on(namespace, name)

    act = cloudwatch._dispatch_alarm_actions

    def announce_and_act(alarm: dict, old_state: str, new_state: str, reason: str) -> None:
        publish_state_change(alarm, old_state, new_state, reason)
        act(alarm, old_state, new_state, reason)
        last_states[alarm["AlarmArn"]] = current_state(alarm)

    put = cloudwatch._put_metric_alarm

    def put_with_metric_math(params: dict, data: dict, is_cbor: bool, is_json: bool = False) -> tuple:
        answer = put(params, data, is_cbor, is_json)
        if answer[0] < 300 and data.get("Metrics"):
            alarm = cloudwatch._alarms[data["AlarmName"]]
            alarm["Metrics"] = data["Metrics"]
            evaluate_alarm(alarm)
        return answer

    cloudwatch._put_metric_alarm = put_with_metric_math
    cloudwatch._store_datum = store_and_evaluate
    cloudwatch.record_metric = record_and_evaluate
    cloudwatch._dispatch_alarm_actions = announce_and_act
    delivery.queue_listeners.append(lambda _arn: evaluate_alarms_on("AWS/SQS", None))
    threading.Thread(target=sweep, daemon=True, name="alarm-sweep").start()


def sweep() -> None:
    from ministack.core.responses import set_request_account_id, set_request_region
    from ministack.services import cloudwatch

    while True:
        time.sleep(SWEEP_SECONDS)
        for (account, region, _name), alarm in list(cloudwatch._alarms._data.items()):
            set_request_account_id(account)
            set_request_region(region)
            evaluate_alarm(alarm)


def evaluate_alarms_on(namespace: str, metric: str | None) -> None:
    from ministack.services import cloudwatch

    for alarm in list(cloudwatch._alarms.values()):
        if any(stat["Namespace"] == namespace and metric in (None, stat["MetricName"]) for stat in metrics_of(alarm)):
            evaluate_alarm(alarm)


def metrics_of(alarm: dict) -> list[dict]:
    """Namespace, MetricName, Dimensions and statistic of every metric that an alarm reads."""
    if not alarm.get("Metrics"):
        return [alarm] if alarm.get("Namespace") and alarm.get("MetricName") else []
    stats = [query["MetricStat"] for query in alarm["Metrics"] if query.get("MetricStat")]
    return [
        {**stat["Metric"], "Period": stat.get("Period", 60), "Statistic": stat.get("Stat", "Average")} for stat in stats
    ]


def evaluate_alarm(alarm: dict) -> None:
    """Compute the alarm's state from its last periods and move it there, with its actions, event and parents."""
    from ministack.services import cloudwatch

    with evaluating:
        try:
            values = period_values(alarm)
            state, reason, data = judge(alarm, values)
        except ValueError as error:
            logger.warning("Alarm %s is not evaluated: %s", alarm["AlarmName"], error)
            return
        old = alarm["StateValue"]
        if state == old:
            return
        last_states.setdefault(alarm["AlarmArn"], current_state(alarm))
        alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=time.time())
        alarm["StateReasonData"] = json.dumps(data)
        cloudwatch._record_history(alarm["AlarmName"], old, state, reason, reason_data=data)
        cloudwatch._dispatch_alarm_actions(alarm, old, state, reason)
        cloudwatch._evaluate_parent_alarms(alarm)


def judge(alarm: dict, values: list[float | None]) -> tuple[str, str, dict]:
    """State, reason and reason data from the value of each period, newest first, None where there is no data.

    Missing periods count as TreatMissingData says ("Configuring how CloudWatch alarms treat missing data").
    """
    operator = alarm["ComparisonOperator"]
    if operator not in COMPARISONS:
        raise ValueError(f"{operator} is not implemented; there are {', '.join(COMPARISONS)}")
    threshold, treatment = float(alarm["Threshold"]), alarm.get("TreatMissingData") or "missing"
    needed = int(alarm.get("DatapointsToAlarm") or len(values))
    present = [value for value in values if value is not None]
    breaching = sum(COMPARISONS[operator](value, threshold) for value in present)
    missing = len(values) - len(present)
    if treatment == "breaching":
        state = "ALARM" if breaching + missing >= needed else "OK"
    elif treatment == "notBreaching":
        state = "ALARM" if breaching >= needed else "OK"
    elif treatment == "ignore":
        settled = len(present) - breaching > len(values) - needed
        state = "ALARM" if breaching >= needed else "OK" if settled else alarm["StateValue"]
    elif not present:
        state = "INSUFFICIENT_DATA"
    else:
        state = "ALARM" if breaching >= min(needed, len(present)) else "OK"
    shown = ", ".join(f"{value:.12g}" for value in present)
    reason = (
        f"Threshold Crossed: {len(present)} out of the last {len(values)} datapoints [{shown}] "
        f"{'were' if state == 'ALARM' else 'were not all'} {operator} ({threshold:.12g})."
        if present
        else f"Threshold Crossed: no datapoints were received for {len(values)} periods, treated as [{treatment}]."
    )
    data = {
        "version": "1.0",
        "queryDate": timestamp(time.time()),
        "recentDatapoints": present,
        "threshold": threshold,
    }
    return state, reason, data


def period_values(alarm: dict) -> list[float | None]:
    """Value of each of the alarm's last EvaluationPeriods periods, newest first; the newest ends now.

    AWS aligns periods to the clock; these slide, so that a point counts at once and for its whole period.
    """
    now, count = time.time(), int(alarm.get("EvaluationPeriods") or 1)
    if not alarm.get("Metrics"):
        return statistic_values(alarm, now, count) if metrics_of(alarm) else [None] * count
    series: dict[str, list[float | None]] = {}
    expressions = {}
    for query in alarm["Metrics"]:
        if query.get("MetricStat"):
            stat = query["MetricStat"]
            metric = {**stat["Metric"], "Period": stat.get("Period", 60), "Statistic": stat.get("Stat", "Average")}
            series[query["Id"]] = statistic_values(metric, now, count)
        else:
            expressions[query["Id"]] = query.get("Expression", "")
    returned = next((query["Id"] for query in alarm["Metrics"] if query.get("ReturnData", True)), None)
    if returned is None:
        raise ValueError("one of Metrics must have ReturnData")
    return [
        evaluate_expression(returned, {name: values[index] for name, values in series.items()}, expressions)
        for index in range(count)
    ]


def statistic_values(metric: dict, now: float, count: int) -> list[float | None]:
    from ministack.services import cloudwatch

    period = int(metric.get("Period") or 60)
    dimensions = {item["Name"]: item["Value"] for item in metric.get("Dimensions") or []}
    key = (metric["Namespace"], metric["MetricName"], cloudwatch._dims_key(dimensions))
    points = [*(cloudwatch._metrics.get(key) or []), *live_points(metric, dimensions, now)]
    statistic = metric.get("ExtendedStatistic") or metric.get("Statistic") or "Average"
    periods: list[list[dict]] = [[] for _ in range(count)]
    for point in points:
        index = max(0, int((now - point["Timestamp"]) // period))
        if index < count:
            periods[index].append(point)
    return [
        cloudwatch._stat_value(cloudwatch._calc_stats(group), statistic, group) if group else None for group in periods
    ]


def live_points(metric: dict, dimensions: dict[str, str], now: float) -> list[dict]:
    """Metrics of queues, read from the queue: AWS publishes them each minute, MiniStack not at all."""
    if metric["Namespace"] != "AWS/SQS":
        return []
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import sqs

    queue = sqs._queue_by_arn(f"arn:aws:sqs:{get_region()}:{get_account_id()}:{dimensions.get('QueueName', '')}")
    if queue is None:
        return []
    sqs._refresh_counts(queue)
    counts = {
        "ApproximateNumberOfMessagesVisible": "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible": "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed": "ApproximateNumberOfMessagesDelayed",
    }
    if metric["MetricName"] == "ApproximateAgeOfOldestMessage":
        value = max((now - message["sent_at"] for message in queue["messages"]), default=0.0)
    elif metric["MetricName"] in counts:
        value = float(queue["attributes"][counts[metric["MetricName"]]])
    else:
        return []
    return [{"Timestamp": now, "Value": value, "Unit": "None", "Dimensions": dimensions}]


def publish_state_change(alarm: dict, old_state: str, new_state: str, reason: str) -> None:
    """The event of reference/sagemaker.md §5.3 on the default bus; AWS sends it also when actions are off."""
    from ministack.services import eventbridge

    if old_state == new_state:
        return
    previous = last_states.get(alarm["AlarmArn"]) or {"timestamp": timestamp(time.time())}
    detail = {
        "alarmName": alarm["AlarmName"],
        "configuration": configuration(alarm),
        "previousState": {**previous, "value": old_state},
        "state": {**current_state(alarm), "value": new_state, "reason": reason},
    }
    entry = {
        "Source": "aws.cloudwatch",
        "DetailType": "CloudWatch Alarm State Change",
        "Detail": json.dumps(detail),
        "Resources": [alarm["AlarmArn"]],
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def configuration(alarm: dict) -> dict:
    described = {"description": alarm.get("AlarmDescription") or ""}
    if "AlarmRule" in alarm:
        return {**described, "alarmRule": alarm["AlarmRule"]}
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic")
    own = {"Id": "m1", "MetricStat": {"Metric": alarm, "Period": alarm.get("Period"), "Stat": statistic}}
    return {**described, "metrics": [metric_configuration(query) for query in alarm.get("Metrics") or [own]]}


def metric_configuration(query: dict) -> dict:
    returned = {"id": query["Id"], "returnData": query.get("ReturnData", True)}
    if not query.get("MetricStat"):
        return {**returned, "expression": query.get("Expression", "")}
    stat, metric = query["MetricStat"], query["MetricStat"]["Metric"]
    dimensions = {item["Name"]: item["Value"] for item in metric.get("Dimensions") or []}
    name = {"namespace": metric["Namespace"], "name": metric["MetricName"], "dimensions": dimensions}
    return {**returned, "metricStat": {"metric": name, "period": stat.get("Period", 60), "stat": stat.get("Stat")}}


def current_state(alarm: dict) -> dict:
    state = {
        "value": alarm["StateValue"],
        "reason": alarm.get("StateReason", ""),
        "timestamp": timestamp(alarm.get("StateUpdatedTimestamp") or time.time()),
    }
    return {**state, "reasonData": alarm["StateReasonData"]} if alarm.get("StateReasonData") else state


def timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"

"""Metrics of functions: AWS/Lambda for every call, and metrics that functions write as log lines (EMF).

MiniStack 1.5.33 counts only calls through the Invoke API, and takes a line in the embedded metric format for text.
"""

import json
import time
from typing import Any


def install(_sagemaker_url: str) -> None:
    from ministack.services import cloudwatch_logs, lambda_svc

    emit, execute, append = (
        lambda_svc._emit_lambda_metrics,
        lambda_svc._execute_function_dispatch,
        cloudwatch_logs._append_log_events,
    )

    def emit_throttles_only(name: str, duration_ms: float, error: bool, throttle: bool) -> None:
        if throttle:
            emit(name, duration_ms=0.0, error=False, throttle=True)

    def execute_and_count(function: dict, config: dict, event: Any, request_id: str, started: float) -> dict:
        result = execute(function, config, event, request_id, started)
        milliseconds = (time.time() - started) * 1000
        name = config.get("FunctionName", "unknown")
        emit(name, duration_ms=milliseconds, error=bool(result.get("error")), throttle=False)
        return result

    def append_and_extract(stream: dict, events: list[dict]) -> None:
        append(stream, events)
        for event in events:
            if '"_aws"' in event["message"]:
                store_embedded_metrics(event["message"])

    lambda_svc._emit_lambda_metrics = emit_throttles_only
    lambda_svc._execute_function_dispatch = execute_and_count
    cloudwatch_logs._append_log_events = append_and_extract


def store_embedded_metrics(line: str) -> None:
    """Store the metrics of one log line; a line that is not in the format stays a log line, as on AWS.

    Format: "Specification: Embedded metric format" of the CloudWatch user guide.
    """
    from ministack.services import cloudwatch

    try:
        document = json.loads(line[line.index("{") :])
        directives = document["_aws"]["CloudWatchMetrics"]
        moment = document["_aws"]["Timestamp"] / 1000
        for directive in directives:
            for names in directive.get("Dimensions") or [[]]:
                dimensions = {name: str(document[name]) for name in names}
                for metric in directive["Metrics"]:
                    value = document[metric["Name"]]
                    values = value if isinstance(value, list) else [value]
                    unit = metric.get("Unit", "None")
                    cloudwatch._store_datum(
                        directive["Namespace"], metric["Name"], dimensions, moment, unit, None, values, None, None
                    )
    except (ValueError, KeyError, TypeError):
        return

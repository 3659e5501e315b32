"""CloudFormation types that MiniStack 1.5.33 refuses and a CDK app of ours uses.

| type | what a stack gets |
| --- | --- |
| AWS::Events::Archive | an archive, filled by the events of its bus |
| AWS::CloudWatch::CompositeAlarm | a composite alarm, evaluated when its children change |
| AWS::CloudWatch::Alarm with Metrics | an alarm on metric math (alarms.py evaluates it) |
| AWS::SageMaker::ModelPackageGroup | a group, created in SageMaker local |
| AWS::Logs::QueryDefinition | recorded only: a saved query has no behaviour |
| AWS::ApplicationAutoScaling::ScalableTarget, ScalingPolicy | recorded only: nothing scales on one machine |
"""

import hashlib
import json
import logging
from collections.abc import Callable
from typing import Any

logger = logging.getLogger("flywheel.cloudformation")
Provisioned = tuple[str, dict[str, str]]


def install(sagemaker_url: str) -> None:
    from ministack.services.cloudformation import provisioners, stacks

    groups = ModelPackageGroups(sagemaker_url)
    added = {
        "AWS::Events::Archive": handler(create_archive, update_archive, delete_archive),
        "AWS::CloudWatch::CompositeAlarm": handler(put_composite_alarm, put_again, delete_composite_alarm),
        "AWS::SageMaker::ModelPackageGroup": handler(groups.create, groups.update, groups.delete),
        "AWS::Logs::QueryDefinition": recorded("QueryDefinitionId"),
        "AWS::ApplicationAutoScaling::ScalableTarget": recorded("Id"),
        "AWS::ApplicationAutoScaling::ScalingPolicy": recorded("Arn"),
    }
    for name, functions in added.items():
        provisioners._RESOURCE_HANDLERS.setdefault(name, functions)

    # SageMaker local asks this server whether the caller may do it, so the server's own loop must stay free.
    blocks = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda name: name == "AWS::SageMaker::ModelPackageGroup" or blocks(name)

    build = provisioners._cw_metric_alarm_record

    def build_with_metric_math(name: str, properties: dict) -> dict:
        if not properties.get("Metrics"):
            return build(name, properties)
        plain = {key: value for key, value in properties.items() if key != "Metrics"}
        alarm = build(name, {**plain, "MetricName": "metric math", "Namespace": "metric math"})
        alarm.update(MetricName=None, Namespace=None, Period=None, Statistic=None, Metrics=properties["Metrics"])
        return alarm

    provisioners._cw_metric_alarm_record = build_with_metric_math


def handler(create: Callable, update: Callable, delete: Callable) -> dict:
    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}


def physical_name(stack: str, logical_id: str, limit: int) -> str:
    from ministack.services.cloudformation.provisioners import _physical_name

    return _physical_name(stack, logical_id, max_len=limit)


def refuse_error(answer: tuple) -> dict:
    """Body of a service's answer; ValueError with its message, which CloudFormation shows, when it is an error."""
    status, _headers, body = answer
    content = json.loads(body) if body and body[:1] in (b"{", "{") else {}
    if status >= 300:
        raise ValueError(content.get("message") or content.get("Message") or str(body))
    return content


def archive_request(name: str, properties: dict) -> dict:
    pattern = properties.get("EventPattern", "")
    return {
        "ArchiveName": name,
        "EventSourceArn": properties.get("SourceArn", ""),
        "Description": properties.get("Description", ""),
        "EventPattern": json.dumps(pattern) if isinstance(pattern, dict) else pattern,
        "RetentionDays": int(properties.get("RetentionDays") or 0),
        "KmsKeyIdentifier": properties.get("KmsKeyIdentifier", ""),
    }


def create_archive(logical_id: str, properties: dict, stack: str) -> Provisioned:
    from ministack.services import eventbridge

    name = properties.get("ArchiveName") or physical_name(stack, logical_id, 48)
    answer = refuse_error(eventbridge._create_archive(archive_request(name, properties)))
    return name, {"Arn": answer["ArchiveArn"], "ArchiveName": name}


def update_archive(name: str, old: dict, new: dict, stack: str, logical_id: str) -> Provisioned:
    from ministack.services import eventbridge

    if (new.get("ArchiveName") or name) != name or new.get("SourceArn") != old.get("SourceArn"):
        delete_archive(name, old)
        return create_archive(logical_id, new, stack)
    answer = refuse_error(eventbridge._update_archive(archive_request(name, new)))
    return name, {"Arn": answer["ArchiveArn"], "ArchiveName": name}


def delete_archive(name: str, _properties: dict) -> None:
    from ministack.services import eventbridge

    if name in eventbridge._archives:
        refuse_error(eventbridge._delete_archive({"ArchiveName": name}))


def put_composite_alarm(logical_id: str, properties: dict, stack: str) -> Provisioned:
    from ministack.services import cloudwatch

    name = properties.get("AlarmName") or physical_name(stack, logical_id, 255)
    enabled = str(properties.get("ActionsEnabled", True)).lower() != "false"
    request = {**properties, "AlarmName": name, "ActionsEnabled": enabled}
    refuse_error(cloudwatch._put_composite_alarm({}, request, False, True))
    return name, {"Arn": cloudwatch._composite_alarms[name]["AlarmArn"]}


def put_again(name: str, old: dict, new: dict, stack: str, logical_id: str) -> Provisioned:
    created = put_composite_alarm(logical_id, {**new, "AlarmName": new.get("AlarmName") or name}, stack)
    if created[0] != name:
        delete_composite_alarm(name, old)
    return created


def delete_composite_alarm(name: str, _properties: dict) -> None:
    from ministack.services import cloudwatch

    cloudwatch._composite_alarms.pop(name, None)


def recorded(attribute: str) -> dict:
    """Handlers of a type that a stack may hold and that does nothing here."""

    def create(logical_id: str, properties: dict, stack: str) -> Provisioned:
        identifier = hashlib.sha256(f"{stack}/{logical_id}".encode()).hexdigest()[:32]
        logger.info("%s of %s is recorded; it has no effect on the laptop", logical_id, stack)
        return identifier, {attribute: identifier}

    def update(identifier: str, _old: dict, _new: dict, _stack: str, _logical_id: str) -> Provisioned:
        return identifier, {attribute: identifier}

    return handler(create, update, lambda _identifier, _properties: None)


class ModelPackageGroups:
    """AWS::SageMaker::ModelPackageGroup by the API of SageMaker local; Ref and ModelPackageGroupArn are its ARN."""

    def __init__(self, sagemaker_url: str) -> None:
        self.url = sagemaker_url

    def create(self, _logical_id: str, properties: dict, _stack: str) -> Provisioned:
        request = {
            "ModelPackageGroupName": properties["ModelPackageGroupName"],
            "ModelPackageGroupDescription": properties.get("ModelPackageGroupDescription"),
            "Tags": properties.get("Tags"),
        }
        answer = self.call("create_model_package_group", {name: value for name, value in request.items() if value})
        return answer["ModelPackageGroupArn"], {"ModelPackageGroupArn": answer["ModelPackageGroupArn"]}

    def update(self, arn: str, old: dict, new: dict, stack: str, logical_id: str) -> Provisioned:
        if new["ModelPackageGroupName"] == old["ModelPackageGroupName"]:
            return arn, {"ModelPackageGroupArn": arn}
        created = self.create(logical_id, new, stack)
        self.delete(arn, old)
        return created

    def delete(self, _arn: str, properties: dict) -> None:
        self.call(
            "delete_model_package_group",
            {"ModelPackageGroupName": properties["ModelPackageGroupName"]},
            already_gone="does not exist",
        )

    def call(self, operation: str, request: dict[str, Any], already_gone: str | None = None) -> dict:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import ClientError, EndpointConnectionError
        from ministack.core.responses import get_region

        once = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=10)
        client = boto3.client("sagemaker", endpoint_url=self.url, region_name=get_region(), config=once)
        try:
            return getattr(client, operation)(**request)
        except EndpointConnectionError as error:
            raise ValueError(f"SageMaker local does not answer at {self.url}: {error}") from error
        except ClientError as error:
            message = error.response["Error"]["Message"]
            if already_gone and already_gone in message:
                return {}
            raise ValueError(message) from error

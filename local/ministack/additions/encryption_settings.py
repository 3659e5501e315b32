"""Keys of topics and tables in templates, and whether CloudWatch Logs may use the key of a log group.

MiniStack 1.5.33 drops KmsMasterKeyId of a topic and SSESpecification of a table that a template creates, and gives a
log group a key whose policy does not let CloudWatch Logs in; AWS refuses such a log group.
"""

from additions.resource_handlers import applied_after
from additions.service_calls import Service, key_refusal

LOGS_ACTIONS = ("kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey")


def install(_sagemaker_url: str) -> None:
    from ministack.services import cloudwatch_logs, dynamodb, sns
    from ministack.services.cloudformation import provisioners

    def encrypt_topic(arn: str, properties: dict) -> None:
        attributes = sns._topics[arn]["attributes"]
        attributes.pop("KmsMasterKeyId", None)
        if properties.get("KmsMasterKeyId"):
            attributes["KmsMasterKeyId"] = properties["KmsMasterKeyId"]

    def encrypt_table(name: str, properties: dict) -> None:
        specification = properties.get("SSESpecification") or {}
        enabled = {"Enabled": specification.get("SSEEnabled"), "KMSMasterKeyId": specification.get("KMSMasterKeyId")}
        dynamodb._tables[name]["SSEDescription"] = dynamodb._sse_description_from_spec(specification and enabled)

    applied_after("AWS::SNS::Topic", encrypt_topic)
    applied_after("AWS::DynamoDB::Table", encrypt_table)

    def check_group(logical_id: str, properties: dict, stack: str) -> None:
        name = properties.get("LogGroupName") or f"/aws/cloudformation/{stack}/{logical_id}"
        reason = log_group_refusal(name, properties.get("KmsKeyId"))
        if reason:
            raise ValueError(reason)

    groups = provisioners._RESOURCE_HANDLERS["AWS::Logs::LogGroup"]
    create, update = groups["create"], groups["update"]

    def create_checked(logical_id: str, properties: dict, stack: str) -> tuple:
        check_group(logical_id, properties, stack)
        return create(logical_id, properties, stack)

    def update_checked(name: str, old: dict, new: dict, stack: str, logical_id: str | None = None) -> tuple:
        check_group(logical_id or name, new, stack)
        return update(name, old, new, stack, logical_id)

    groups.update(create=create_checked, update=update_checked)
    create_group = cloudwatch_logs._create_log_group

    def create_group_checked(data: dict) -> tuple:
        from ministack.core.responses import error_response_json

        reason = log_group_refusal(data.get("logGroupName", ""), data.get("kmsKeyId"))
        return error_response_json("InvalidParameterException", reason, 400) if reason else create_group(data)

    cloudwatch_logs._create_log_group = create_group_checked


def log_group_refusal(name: str, key: str | None) -> str | None:
    from ministack.core.responses import get_account_id, get_region

    if not key:
        return None
    arn = f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{name}"
    caller = Service(f"logs.{get_region()}.amazonaws.com", arn, get_account_id())
    if key_refusal(caller, key, arn, LOGS_ACTIONS) is None:
        return None
    # "KMS key associated with log group", CloudWatch Logs user guide, and the service's own message.
    return f"The specified KMS key does not exist or is not allowed to be used with Arn '{arn}'"

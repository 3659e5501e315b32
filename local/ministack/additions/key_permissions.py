"""Who reads or writes what a customer-managed key encrypts needs that key's permission too, as on AWS.

| what | writing | reading |
| --- | --- | --- |
| objects | GenerateDataKey; Decrypt for the parts of an upload | Decrypt, also for the source of a copy |
| topics | GenerateDataKey and Decrypt to publish | |
| queues | GenerateDataKey and Decrypt to send | Decrypt to receive |
| tables | Decrypt | Decrypt |

The key's policy decides along with the caller's. MiniStack 1.5.33 asks about no key. AWS's word: the API reference of
CreateMultipartUpload; "key management" in the developer guides of SNS and SQS, and the CDK's grants of both
(aws-sns/grants.json, aws-sqs/grants.json); for writes to a table, where no guide says it, aws-cdk#10010.
"""

import contextvars
from typing import Any

from additions.service_calls import KEY_ACTIONS, key_behind

# Action and key of the refusal that this request has met.
refused_key: contextvars.ContextVar[tuple[str, str] | None] = contextvars.ContextVar("refused_key", default=None)

TABLE_ACTIONS = ("Get", "Put", "Update", "Delete", "Query", "Scan", "Batch", "ConditionCheck", "PartiQL")


def install(_sagemaker_url: str) -> None:
    from ministack.core import iam_actions, iam_evaluator

    check, respond, enforce = (
        iam_actions.s3_additional_checks,
        iam_actions.access_denied_response,
        iam_evaluator.enforce,
    )

    def check_with_key(method: str, path: str, headers: dict, body: bytes, query: dict) -> list[tuple[str, str]]:
        return [*check(method, path, headers, body, query), *object_keys(method, path, headers, query)]

    def enforce_with_key(key: str, action: str, service: str, region: str, resource_arn: str = "*", *rest, **named):
        refused_key.set(None)
        if action.startswith("kms:") and service != "kms":
            return enforce_key(key, action, service, region, resource_arn)
        denied = enforce(key, action, service, region, resource_arn, *rest, **named)
        if denied is not None:
            return denied
        for needed, arn in keys_needed(action, resource_arn):
            denied = enforce_key(key, needed, service, region, arn)
            if denied is not None:
                return denied
        return None

    def enforce_key(key: str, action: str, service: str, region: str, arn: str) -> Any:
        via = {"kms:ViaService": f"{service}.{region}.amazonaws.com"}
        denied = enforce(key, action, "kms", region, arn, via)
        if denied is not None:
            refused_key.set((action, arn))
        return denied

    def respond_with_key(service: str, action: str, principal_arn: str, request_id: str, **named: Any) -> tuple:
        refused = refused_key.get()
        if refused is not None:
            action, named["resource_arn"] = refused
        return respond(service, action, principal_arn, request_id, **named)

    iam_actions.s3_additional_checks = check_with_key
    iam_actions.access_denied_response = respond_with_key
    iam_evaluator.enforce = enforce_with_key


def keys_needed(action: str, resource: str) -> list[tuple[str, str]]:
    """Permissions on the key of a topic, queue or table; the keys of AWS are for everybody of the account."""
    service, _colon, name = action.partition(":")
    wanted: tuple[str, ...] = ()
    if action in ("sns:Publish", "sqs:SendMessage"):
        wanted = KEY_ACTIONS
    elif action == "sqs:ReceiveMessage" or (service == "dynamodb" and is_item_action(name)):
        wanted = ("kms:Decrypt",)
    key = key_behind(resource) if wanted else None
    arn = key_arn(key) if key else None
    return [(each, arn) for each in wanted] if arn else []


def is_item_action(name: str) -> bool:
    return name.startswith(TABLE_ACTIONS) and not name.endswith(("Table", "Backup", "ContinuousBackups", "TimeToLive"))


def object_keys(method: str, path: str, headers: dict, query: dict) -> list[tuple[str, str]]:
    """Permissions on the keys of the object that a request writes or reads, and of the one it copies."""
    from ministack.core import iam_actions

    bucket, _slash, name = path.lstrip("/").partition("/")
    action = iam_actions._s3_action(method, path, query) if name else None
    if action == "PutObject":
        needed = [("kms:GenerateDataKey", key_of_write(bucket, headers))]
        if "uploadId" in query or "uploads" in query:
            needed.append(("kms:Decrypt", key_of_write(bucket, headers)))
        source = iam_actions._s3_source_object(headers)
        if source:
            arn, version = source
            needed.append(("kms:Decrypt", key_of_object(*arn.removeprefix("arn:aws:s3:::").split("/", 1), version)))
    elif action in ("GetObject", "GetObjectVersion"):
        needed = [("kms:Decrypt", key_of_object(bucket, name, iam_actions._query_param(query, "versionId")))]
    else:
        needed = []
    return [(each, arn) for each, arn in needed if arn]


def key_of_write(bucket: str, headers: dict) -> str | None:
    from ministack.services import s3

    if headers.get("x-amz-server-side-encryption"):
        return key_arn(headers.get("x-amz-server-side-encryption-aws-kms-key-id"))
    return key_arn(s3._bucket_default_sse_headers(bucket).get("x-amz-server-side-encryption-aws-kms-key-id"))


def key_of_object(bucket: str, name: str, version: str) -> str | None:
    from ministack.services import s3

    stored = (s3._buckets.get(bucket) or {}).get("objects", {}).get(name)
    if version:
        versions = s3._object_versions.get((bucket, name), [])
        stored = next((each for each in versions if each["version_id"] == version), stored)
    sse = s3._stored_sse_headers(stored) if stored else {}
    return key_arn(sse.get("x-amz-server-side-encryption-aws-kms-key-id"))


def key_arn(key: str | None) -> str | None:
    """ARN of a customer-managed key; None for none and for the keys that AWS manages."""
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import kms

    if not key or "alias/aws/" in key:
        return None
    record = kms._resolve_key(key)
    if record is not None:
        return None if record.get("KeyManager") == "AWS" else record["Arn"]
    return key if key.startswith("arn:") else f"arn:aws:kms:{get_region()}:{get_account_id()}:key/{key}"

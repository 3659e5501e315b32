"""Objects of a bucket with a customer-managed key need the caller's permission for that key, as on AWS: GenerateDataKey
to write and Decrypt to read. MiniStack 1.5.33 encrypts and decrypts for whoever may use the object."""

import contextvars
from typing import Any

key_of_request: contextvars.ContextVar[str] = contextvars.ContextVar("key_of_request", default="*")


def install(_sagemaker_url: str) -> None:
    from ministack.core import iam_actions

    check, respond = iam_actions.s3_additional_checks, iam_actions.access_denied_response

    def check_with_key(method: str, path: str, headers: dict, body: bytes, query: dict) -> list[tuple[str, str]]:
        bucket, _slash, key = path.lstrip("/").partition("/")
        needed = {"PutObject": "kms:GenerateDataKey", "GetObject": "kms:Decrypt", "GetObjectVersion": "kms:Decrypt"}
        action = needed.get(iam_actions._s3_action(method, path, query) or "") if key else None
        arn = key_arn_of(bucket) if action else None
        checks = check(method, path, headers, body, query)
        if action is None or arn is None:
            return checks
        key_of_request.set(arn)
        return [*checks, (action, arn)]

    def respond_with_key(service: str, action: str, principal_arn: str, request_id: str, **named: Any) -> tuple:
        if service == "s3" and action.startswith("kms:"):
            named["resource_arn"] = key_of_request.get()
        return respond(service, action, principal_arn, request_id, **named)

    iam_actions.s3_additional_checks = check_with_key
    iam_actions.access_denied_response = respond_with_key


def key_arn_of(bucket: str) -> str | None:
    """ARN of the customer-managed key of a bucket's default encryption, None without one."""
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import s3

    key = s3._bucket_default_sse_headers(bucket).get("x-amz-server-side-encryption-aws-kms-key-id")
    if not key or key.startswith("alias/"):
        return None
    return key if key.startswith("arn:") else f"arn:aws:kms:{get_region()}:{get_account_id()}:key/{key}"

"""`aws:kms` without a key takes the key that AWS manages for S3 in the account; MiniStack 1.5.33 refuses the request.

"If you specify x-amz-server-side-encryption:aws:kms, but do not provide x-amz-server-side-encryption-aws-kms-key-id,
Amazon S3 uses the AWS managed key (aws/s3 alias)": API reference of PutObject.
"""

import uuid
from typing import Any

HEADER = "x-amz-server-side-encryption"


def install(_sagemaker_url: str) -> None:
    from ministack.services import kms, s3

    resolve, resolve_key = s3._resolve_sse_write_headers, kms._resolve_key

    def resolve_with_managed_key(headers: dict, bucket: str) -> tuple:
        if headers.get(HEADER) == "aws:kms" and not headers.get(f"{HEADER}-aws-kms-key-id"):
            headers = {**headers, f"{HEADER}-aws-kms-key-id": managed_key()["Arn"]}
        return resolve(headers, bucket)

    def resolve_managed(reference: str) -> Any:
        managed = managed_key()
        return managed if reference in (managed["Arn"], managed["KeyId"]) else resolve_key(reference)

    s3._resolve_sse_write_headers = resolve_with_managed_key
    kms._resolve_key = resolve_managed


def managed_key() -> dict[str, str]:
    """The key aws/s3 of the account and region, as far as others ask: it is the same at every start."""
    from ministack.core.responses import get_account_id, get_region

    identifier = str(uuid.uuid5(uuid.NAMESPACE_URL, f"aws/s3 {get_account_id()} {get_region()}"))
    arn = f"arn:aws:kms:{get_region()}:{get_account_id()}:key/{identifier}"
    return {"Arn": arn, "KeyId": identifier, "KeyManager": "AWS", "KeyState": "Enabled", "Policy": ""}

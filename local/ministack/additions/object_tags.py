"""Tags of objects need permissions of their own, also where a request brings them along: a copy takes the tags of its
source by default and needs GetObjectTagging (of a version GetObjectVersionTagging) there and PutObjectTagging here.

MiniStack 1.5.33 copies and writes tags for everybody. AWS's word: "Setting up permissions" for CopyObject, and
"s3:PutObjectTagging" for the header x-amz-tagging, in the API reference of S3.
"""


def install(_sagemaker_url: str) -> None:
    from ministack.core import iam_actions

    check = iam_actions.s3_additional_checks

    def check_with_tags(method: str, path: str, headers: dict, body: bytes, query: dict) -> list[tuple[str, str]]:
        return [*check(method, path, headers, body, query), *tag_checks(method, path, headers, query)]

    iam_actions.s3_additional_checks = check_with_tags


def tag_checks(method: str, path: str, headers: dict, query: dict) -> list[tuple[str, str]]:
    from ministack.core import iam_actions

    bucket, _slash, name = path.lstrip("/").partition("/")
    if not name or "uploadId" in query or iam_actions._s3_action(method, path, query) != "PutObject":
        return []
    put = ("s3:PutObjectTagging", f"arn:aws:s3:::{bucket}/{name}")
    source = iam_actions._s3_source_object(headers)
    if source is None or headers.get("x-amz-tagging-directive", "COPY").upper() == "REPLACE":
        return [put] if headers.get("x-amz-tagging") else []
    arn, version = source
    if not tags_of(*arn.removeprefix("arn:aws:s3:::").split("/", 1), version):
        return []
    return [("s3:GetObjectVersionTagging" if version else "s3:GetObjectTagging", arn), put]


def tags_of(bucket: str, name: str, version: str) -> dict:
    from ministack.services import s3

    stored = (s3._buckets.get(bucket) or {}).get("objects", {}).get(name) or {}
    return s3._object_tags.get((bucket, name, version or stored.get("version_id"))) or {}

"""BucketEncryption of buckets in templates; MiniStack 1.5.33 reads it only from the S3 API."""

from xml.sax.saxutils import escape


def install(_sagemaker_url: str) -> None:
    from ministack.services import s3
    from ministack.services.cloudformation import provisioners

    apply = provisioners._s3_apply_configurations

    def apply_with_encryption(name: str, properties: dict, old_properties: dict | None = None) -> None:
        apply(name, properties, old_properties)
        rules = (properties.get("BucketEncryption") or {}).get("ServerSideEncryptionConfiguration") or []
        if rules:
            s3._bucket_encryption[name] = encryption_document(rules[0])
        else:
            s3._bucket_encryption.pop(name, None)

    provisioners._s3_apply_configurations = apply_with_encryption


def encryption_document(rule: dict) -> str:
    """The XML of PutBucketEncryption for one rule of a template."""
    default = rule.get("ServerSideEncryptionByDefault") or {}
    key = default.get("KMSMasterKeyID")
    key_element = f"<KMSMasterKeyID>{escape(str(key))}</KMSMasterKeyID>" if key else ""
    algorithm = escape(default.get("SSEAlgorithm", "AES256"))
    bucket_key = str(rule.get("BucketKeyEnabled", False)).lower()
    return (
        '<ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule>'
        "<ApplyServerSideEncryptionByDefault>"
        f"<SSEAlgorithm>{algorithm}</SSEAlgorithm>{key_element}"
        "</ApplyServerSideEncryptionByDefault>"
        f"<BucketKeyEnabled>{bucket_key}</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>"
    )

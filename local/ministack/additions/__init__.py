"""What the laptop cloud adds to MiniStack, one addition a module.

Each module has `install(sagemaker_url)`. A test runs the same check with and without each addition, and fails when
MiniStack passes it alone: then the module can go.
"""

from importlib import import_module

ADDITIONS = (
    "secure_transport",
    "signatures",
    "source_account",
    "denials",
    "object_tags",
    "managed_keys",
    "key_permissions",
    "leading_keys",
    "alarm_permissions",
    "service_principals",
    "encryption_settings",
    "event_buses",
    "bucket_settings",
    "log_group_keys",
    "function_settings",
    "function_credentials",
    "warm_functions",
    "delivery",
    "queue_retries",
    "queue_sources",
    "schedules",
    "object_versions",
    "metrics_of_functions",
    "alarms",
    "cloudformation_types",
    "quotas",
)


def install(without: str, sagemaker_url: str) -> None:
    """Install every addition except those named in `without` ("all", or names separated by commas)."""
    left_out = set(ADDITIONS) if without == "all" else {name for name in without.split(",") if name}
    unknown = left_out - set(ADDITIONS)
    if unknown:
        raise SystemExit(f"--without names {', '.join(sorted(unknown))}; there are {', '.join(ADDITIONS)}")
    for name in ADDITIONS:
        if name not in left_out:
            import_module(f"additions.{name}").install(sagemaker_url)

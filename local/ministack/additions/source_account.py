"""`aws:SourceAccount` for roles that a service assumes.

MiniStack stands in for a service principal with the account's root user, without the condition key that a service
brings along, so a trust policy that guards against a confused deputy lets nobody in.
"""

from typing import Any


def install(_sagemaker_url: str) -> None:
    from ministack.core import iam_evaluator

    resolve = iam_evaluator._resolve_condition_key

    def with_source_account(key: str, ctx: Any) -> Any:
        by_service = ctx.action == "sts:AssumeRole" and ctx.principal_arn.endswith(":root")
        if key.lower() == "aws:sourceaccount" and by_service:
            return ctx.principal_account
        return resolve(key, ctx)

    iam_evaluator._resolve_condition_key = with_source_account

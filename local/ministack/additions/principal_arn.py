"""`aws:PrincipalArn` of a role's session is the ARN of the role; MiniStack 1.5.33 compares that of the session.

"For IAM roles, the request context returns the ARN of the role, not the ARN of the user that assumed the role":
IAM user guide, global condition keys.
"""

from typing import Any


def install(_sagemaker_url: str) -> None:
    from ministack.core import iam_evaluator

    resolve = iam_evaluator._resolve_condition_key

    def resolve_role(key: str, ctx: Any) -> Any:
        if key.lower() == "aws:principalarn" and ":assumed-role/" in ctx.principal_arn:
            return role_arn(ctx.principal_arn)
        return resolve(key, ctx)

    iam_evaluator._resolve_condition_key = resolve_role


def role_arn(session_arn: str) -> str:
    """ARN of the role of a session, with its path, which the session's ARN leaves out."""
    from ministack.services import iam

    account, name = session_arn.split(":")[4], session_arn.split("/")[1]
    record = iam._roles.get_scoped(account, None, name)
    return record["Arn"] if record else f"arn:aws:iam::{account}:role/{name}"

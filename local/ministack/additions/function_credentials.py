"""Nobody computes a function's credentials from its name.

MiniStack 1.5.33 makes them of a hash of the ARNs of function and role, so whoever knows or guesses these signs as the
function. Here the secret of the cloud goes into the hash; credentials stay the same when a process starts again, as
MiniStack has it.
"""

import hashlib
import hmac
import os
from typing import Any


def install(_sagemaker_url: str) -> None:
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    lambda_runtime.execution_credentials = execution_credentials
    lambda_svc.execution_credentials = execution_credentials


def execution_credentials(config: dict[str, Any]) -> dict[str, str]:
    """A session of the function's role, as environment variables."""
    from ministack.core.lambda_runtime import _account_region_from_function_config
    from ministack.services import sts

    account, _region = _account_region_from_function_config(config)
    role = config.get("Role", "")
    role_name = role.rsplit("/", 1)[-1]
    session_name = config.get("FunctionName", "")[:64]
    key, secret, token = (digest(each, config.get("FunctionArn", ""), role) for each in ("key", "secret", "token"))
    access_key = f"ASIA{key[:16].upper()}"
    sts.register_session(
        access_key,
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{role_name}/{session_name}",
            "UserId": f"{role_name}:{session_name}",
            "SecretAccessKey": secret,
            "SessionToken": token,
        },
    )
    return {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}


def digest(what: str, *names: str) -> str:
    root = os.environ["AWS_SECRET_ACCESS_KEY"].encode()
    return hmac.new(root, ":".join((what, *names)).encode(), hashlib.sha256).hexdigest()

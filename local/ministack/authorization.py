"""One evaluator of IAM policies for every service of the laptop cloud: MiniStack's own, asked from outside."""

from typing import Any

INVALID_TOKEN = "The security token included in the request is invalid."


def authorize(body: dict[str, Any]) -> tuple[int, dict]:
    """Whether the owner of an access key may do an action on a resource.

    body: accessKeyId, action ("sagemaker:CreateTrainingJob"), resource (ARN or "*"), optional context (condition keys
    with a string or a list of strings) and region. Answers allowed, and account and principalArn of a known key, and
    otherwise message in IAM's words and its error code.
    """
    from ministack.core.iam_actions import identity_denial_message
    from ministack.core.iam_evaluator import AuthError, enforce, resolve_principal
    from ministack.core.responses import get_region, set_request_account_id, set_request_region

    key, action, resource = body["accessKeyId"], body["action"], body.get("resource", "*")
    if not key:
        return 200, {"allowed": False, "code": "UnrecognizedClientException", "message": INVALID_TOKEN}
    set_request_account_id(key)
    set_request_region(body.get("region"))
    principal = resolve_principal(key, account_of(key))
    if isinstance(principal, AuthError):
        return 200, {"allowed": False, "code": principal.code, "message": principal.message}
    caller = {"account": principal.account, "principalArn": principal.arn}
    service = action.partition(":")[0]
    refused = enforce(key, action, service, get_region(), resource, condition_keys(body.get("context") or {}))
    if refused is None:
        return 200, {"allowed": True, **caller}
    if isinstance(refused, AuthError):
        return 200, {"allowed": False, "code": refused.code, "message": refused.message, **caller}
    message = identity_denial_message(action, principal.arn, resource, explicit_deny=refused.decision == "Deny")
    return 200, {"allowed": False, "code": "AccessDeniedException", "message": message, **caller}


def condition_keys(context: dict[str, Any]) -> dict[str, Any]:
    """As the evaluator looks them up: names in lower case, and a single value by itself, not in a list."""
    return {
        name.lower(): values[0] if isinstance(values, list) and len(values) == 1 else values
        for name, values in context.items()
    }


def signing_key(body: dict[str, Any]) -> tuple[int, dict]:
    """The secret and session token of an access key, for the verification of a SigV4 signature; 404 if unknown."""
    from ministack.core.iam_evaluator import CredentialResolutionError, resolve_credential
    from ministack.core.responses import set_request_account_id

    key = body["accessKeyId"]
    set_request_account_id(key)
    credential = resolve_credential(key, account_of(key)) if key else None
    if credential is None or isinstance(credential, CredentialResolutionError):
        return 404, {"message": INVALID_TOKEN}
    return 200, {"secretAccessKey": credential.secret_access_key, "sessionToken": credential.session_token}


def account_of(access_key_id: str) -> str:
    from ministack.core.iam_evaluator import find_iam_access_key_account
    from ministack.core.responses import get_account_id

    return find_iam_access_key_account(access_key_id) or get_account_id()

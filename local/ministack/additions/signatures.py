"""Every signature is checked, the root user's too, and counts for the service that it was made for.

MiniStack 1.5.33 takes any secret for the root key, and a signature for one service at another. AWS answers both with
403, or 400 by the JSON protocols: SignatureDoesNotMatch, in the words of services that speak JSON
InvalidSignatureException.
"""

from functools import cache
from typing import Any


def install(_sagemaker_url: str) -> None:
    from ministack.core import iam_evaluator

    # Asked only where a request's signature is kept for its check, which is left out for a root key.
    iam_evaluator._is_root_key = lambda _key: False
    iam_evaluator.resolve_caller_identity = identity_of
    enforce, check = iam_evaluator.enforce, iam_evaluator.check_credentials

    def enforce_in_scope(key: str, action: str, service: str, *rest: Any, **named: Any) -> Any:
        return scope_failure(service, action) or enforce(key, action, service, *rest, **named)

    def check_in_scope(key: str, service: str | None = None) -> Any:
        return scope_failure(service or "", "") or check(key, service)

    iam_evaluator.enforce = enforce_in_scope
    iam_evaluator.check_credentials = check_in_scope


def identity_of(access_key_id: str) -> dict | None:
    """Who a key belongs to, as API Gateway tells a function; its signature has been checked before."""
    from ministack.core.iam_evaluator import CredentialResolutionError, _principal_org_id, resolve_credential
    from ministack.core.responses import _account_from_sts_session, get_account_id
    from ministack.services import sts

    if not access_key_id:
        return None
    account = _account_from_sts_session(access_key_id) or get_account_id()
    credential = resolve_credential(access_key_id, account)
    if isinstance(credential, CredentialResolutionError):
        return None
    return {
        "accessKey": access_key_id,
        "accountId": credential.account_id,
        "userArn": credential.principal_arn,
        "userId": credential.principal_id,
        "principalOrgId": _principal_org_id(credential.account_id),
        "session": sts._sessions.get(access_key_id),
    }


def scope_failure(service: str, action: str) -> Any:
    """The refusal of a signature made for another service, None for one that fits or that was checked before."""
    from ministack.core import iam_evaluator

    signed = iam_evaluator._signed_request.get()
    scope = scope_of(signed) if signed else None
    if scope is None:
        return None
    wanted = "execute-api" if action.startswith("execute-api:") else service
    if scope == wanted or scope in signing_names(wanted):
        return None
    iam_evaluator._signed_request.set(None)
    name = next(iter(signing_names(wanted)), wanted)
    message = f"Credential should be scoped to correct service: '{name}'. "
    return iam_evaluator.AuthError("SignatureDoesNotMatch", message)


def scope_of(signed: Any) -> str | None:
    """The service in the credential scope of a signature of version 4; None where the signature names none."""
    from ministack.core.sigv4 import parse_header_signature, parse_query_signature

    if signed.sigv2 or signed.unverifiable or signed.handshake:
        return None
    parsed = parse_query_signature(signed.query_params) if signed.presigned else parse_header_signature(signed.headers)
    return None if isinstance(parsed, tuple) else parsed.service


@cache
def signing_names(service: str) -> tuple[str, ...]:
    """The names that AWS's service models give the service for signatures; several models share one of MiniStack's."""
    from ministack.core.iam_actions import _BOTOCORE_SERVICE_MAP, SERVICE_TO_IAM_NAMESPACE, _load_botocore_model

    names = []
    for model in _BOTOCORE_SERVICE_MAP.get(service, [service]):
        metadata = _load_botocore_model(model).get("metadata", {})
        names += [metadata[field] for field in ("signingName", "endpointPrefix") if field in metadata]
    return tuple(dict.fromkeys([*names, SERVICE_TO_IAM_NAMESPACE.get(service, service)]))

"""A denial names the resource, as on AWS; MiniStack 1.5.33 leaves it out for most services, and with it the reason why
a policy that allows the action on another resource does not help."""

from typing import Any


def install(_sagemaker_url: str) -> None:
    from ministack.core import iam_actions

    respond = iam_actions.access_denied_response

    def respond_with_resource(service: str, action: str, principal_arn: str, request_id: str, **named: Any) -> tuple:
        resource = named.get("resource_arn") or "*"
        decided_by_identity = not (named.get("error_code") or named.get("message") or named.get("resource_policy_arn"))
        if decided_by_identity and resource != "*":
            shown = f'"{resource}"' if service == "s3" else resource
            explicit = bool(named.get("explicit_deny"))
            named["message"] = iam_actions.identity_denial_message(action, principal_arn, shown, explicit)
        return respond(service, action, principal_arn, request_id, **named)

    iam_actions.access_denied_response = respond_with_resource

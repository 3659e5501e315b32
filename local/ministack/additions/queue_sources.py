"""A queue feeds a function whose role may receive from it, and use its key; MiniStack 1.5.33 asks nobody.

"Lambda needs permissions to manage messages in your queue": ReceiveMessage, DeleteMessage and GetQueueAttributes, and
Decrypt for an encrypted queue (Lambda developer guide, execution role for SQS). A refusal is a warning, once a mapping.
"""

import logging
from typing import Any

from additions.delivery import role_of
from additions.service_calls import key_behind, key_refusal, role_refusal

logger = logging.getLogger("flywheel.queues")
ACTIONS = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
refused: dict[str, str] = {}


def install(_sagemaker_url: str) -> None:
    from ministack.services import lambda_svc

    concurrency = lambda_svc._sqs_esm_concurrency

    def concurrency_where_allowed(mapping: dict, function: dict, config: dict | None, queue: dict) -> int:
        """None of its calls at once is how a mapping waits, for a message or until its role may receive."""
        if not queue["messages"]:
            return 0  # Asked every second and at each message of any queue: policies only where one waits.
        reason = refusal(config or function["config"], queue["attributes"]["QueueArn"])
        if reason and refused.get(mapping["UUID"]) != reason:
            logger.warning("Queue %s does not feed its function: %s", queue["name"], reason)
        refused[mapping["UUID"]] = reason or ""
        return 0 if reason else concurrency(mapping, function, config, queue)

    lambda_svc._sqs_esm_concurrency = concurrency_where_allowed


def refusal(config: dict[str, Any], queue: str) -> str | None:
    role = role_of(config)
    reasons = (role_refusal(role, action, queue) for action in ACTIONS)
    reason = next((each for each in reasons if each), None)
    key = key_behind(queue)
    return reason or (key_refusal(role, key, queue, ("kms:Decrypt",)) if key else None)

"""A message that a function failed on comes back after moments, as its other retries do at this cloud; on AWS, and in
MiniStack 1.5.33, after the queue's visibility timeout, which is as long as the function may take."""

import time
from typing import Any

from additions.delivery import FIRST_RETRY_SECONDS


def install(_sagemaker_url: str) -> None:
    from ministack.services import lambda_svc

    run = lambda_svc._run_sqs_batch

    def run_and_return(esm: dict, function: Any, event: dict, batch: list[dict], *queue: Any) -> None:
        run(esm, function, event, batch, *queue)
        # Set by a failure, for MiniStack's own pace of one a second.
        lambda_svc._esm_backoff_until.pop(esm["UUID"], None)
        show_again(batch, queue[0])

    lambda_svc._run_sqs_batch = run_and_return


def show_again(batch: list[dict], queue_url: str) -> None:
    """Those of the batch that are still in the queue: what succeeded was deleted."""
    from ministack.services import sqs

    with sqs._queues_lock:
        handled = {message["id"] for message in batch}
        for message in sqs._get_q(queue_url)["messages"]:
            if message["id"] in handled:
                delay = FIRST_RETRY_SECONDS * 2 ** max(0, message.get("receive_count", 1) - 1)
                message["visible_at"] = time.time() + delay
    sqs_wake()


def sqs_wake() -> None:
    from ministack.core.concurrency import esm_wake

    esm_wake.set()

"""A function's process starts when a template creates or changes the function, not at its first event.

A laptop sees a handful of events a minute, so nearly each would meet a cold function, 100 to 200 ms on two cores; on
AWS this is provisioned concurrency of 1. Functions start one after the other, beside the deployment.
"""

import logging
import queue
import threading
from typing import Any

logger = logging.getLogger("flywheel.warm")
waiting: queue.SimpleQueue[str] = queue.SimpleQueue()


def install(_sagemaker_url: str) -> None:
    from ministack.services import lambda_svc
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
    create, update, load = handlers["create"], handlers["update"], lambda_svc.load_persisted_state

    def create_warm(*arguments: Any) -> tuple:
        return enqueue(create(*arguments))

    def update_warm(*arguments: Any) -> tuple:
        return enqueue(update(*arguments))

    def load_warm(data: dict) -> None:
        load(data)
        for _account, _region, name in list(lambda_svc._functions._data):
            waiting.put(name)

    handlers.update(create=create_warm, update=update_warm)
    lambda_svc.load_persisted_state = load_warm
    threading.Thread(target=warm_one_by_one, daemon=True, name="warm-functions").start()


def enqueue(provisioned: tuple) -> tuple:
    waiting.put(provisioned[0])
    return provisioned


def warm_one_by_one() -> None:
    while True:
        warm(waiting.get())


def warm(name: str) -> None:
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    function = next((record for key, record in lambda_svc._functions._data.items() if key[-1] == name), None)
    if function is None or not function.get("code_zip") or not function["config"]["Runtime"].startswith("nodejs"):
        return
    worker, _reason = lambda_runtime.acquire_worker(name, function["config"], function["code_zip"])
    try:
        lambda_runtime.ensure_spawned(worker)
    except Exception as error:  # the function's own code failed: its first event will say so, and be retried
        logger.warning("Function %s does not start: %s", name, error)
    finally:
        lambda_runtime.release_worker(worker)

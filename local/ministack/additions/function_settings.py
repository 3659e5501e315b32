"""DeadLetterConfig and ReservedConcurrentExecutions of functions in templates; MiniStack 1.5.33 reads them only from
the Lambda API."""

from typing import Any


def install(_sagemaker_url: str) -> None:
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
    create, update = handlers["create"], handlers["update"]

    def create_with_settings(logical_id: str, properties: dict, stack: str) -> tuple:
        return apply_settings(create(logical_id, properties, stack), properties)

    def update_with_settings(name: str, old: dict, new: dict, *rest: Any) -> tuple:
        return apply_settings(update(name, old, new, *rest), new)

    handlers.update(create=create_with_settings, update=update_with_settings)


def apply_settings(provisioned: tuple, properties: dict) -> tuple:
    from ministack.services import lambda_svc

    function = lambda_svc._functions[provisioned[0]]
    function["config"].pop("DeadLetterConfig", None)
    if properties.get("DeadLetterConfig"):
        function["config"]["DeadLetterConfig"] = properties["DeadLetterConfig"]
    reserved = properties.get("ReservedConcurrentExecutions")
    function["concurrency"] = None if reserved is None else int(reserved)
    return provisioned

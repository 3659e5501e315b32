"""DeadLetterConfig and ReservedConcurrentExecutions of functions in templates; MiniStack 1.5.33 reads them only from
the Lambda API."""

from additions.resource_handlers import applied_after


def install(_sagemaker_url: str) -> None:
    applied_after("AWS::Lambda::Function", apply_settings)


def apply_settings(name: str, properties: dict) -> None:
    from ministack.services import lambda_svc

    function = lambda_svc._functions[name]
    function["config"].pop("DeadLetterConfig", None)
    if properties.get("DeadLetterConfig"):
        function["config"]["DeadLetterConfig"] = properties["DeadLetterConfig"]
    reserved = properties.get("ReservedConcurrentExecutions")
    function["concurrency"] = None if reserved is None else int(reserved)

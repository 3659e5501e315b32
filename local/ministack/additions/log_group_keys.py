"""AssociateKmsKey and DisassociateKmsKey of CloudWatch Logs; MiniStack 1.5.33 takes a key at CreateLogGroup only."""

import json

from additions.encryption_settings import log_group_refusal


def install(_sagemaker_url: str) -> None:
    from ministack.services import cloudwatch_logs

    answer = cloudwatch_logs.handle_request

    async def answer_with_keys(method: str, path: str, headers: dict, body: bytes, query: dict) -> tuple:
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        if action not in ("AssociateKmsKey", "DisassociateKmsKey"):
            return await answer(method, path, headers, body, query)
        return set_key(json.loads(body))

    cloudwatch_logs.handle_request = answer_with_keys


def set_key(request: dict) -> tuple:
    from ministack.core.responses import error_response_json, json_response
    from ministack.services import cloudwatch_logs

    group = cloudwatch_logs._log_groups.get(request.get("logGroupName"))
    if group is None:
        return error_response_json("ResourceNotFoundException", "The specified log group does not exist.", 400)
    reason = log_group_refusal(request["logGroupName"], request.get("kmsKeyId"))
    if reason:
        return error_response_json("InvalidParameterException", reason, 400)
    group["kmsKeyId"] = request.get("kmsKeyId")
    return json_response({})

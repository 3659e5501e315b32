"""Uses SageMaker local as any boto3 program uses SageMaker, and prints what it saw as JSON."""

import json
import os

import boto3
from botocore.exceptions import ClientError

SETTINGS = {
    "endpoint_url": os.environ["ENDPOINT"],
    "region_name": "us-east-1",
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
}
WAIT = {"Delay": 0.05, "MaxAttempts": 400}


def main() -> None:
    sagemaker = boto3.client("sagemaker", **SETTINGS)
    runtime = boto3.client("sagemaker-runtime", **SETTINGS)
    container = {"Image": os.environ["IMAGE"], "ModelDataUrl": os.environ["MODEL_DATA"]}
    variant = {"VariantName": "v", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    for number in range(3):
        name = f"python-{number}"
        sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=os.environ["ROLE"])
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[{**variant, "ModelName": name}])
    pages = sagemaker.get_paginator("list_models").paginate(
        NameContains="python", SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 2}
    )
    names = [model["ModelName"] for page in pages for model in page["Models"]]

    sagemaker.create_endpoint(EndpointName="python", EndpointConfigName="python-0")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="python", WaiterConfig=WAIT)
    answer = runtime.invoke_endpoint(EndpointName="python", Body=b"1,2", ContentType="text/csv")["Body"].read()
    error = caught(lambda: runtime.invoke_endpoint(EndpointName="python", Body=b"status 503", ContentType="text/csv"))
    sagemaker.delete_endpoint(EndpointName="python")
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="python", WaiterConfig=WAIT)
    missing = caught(lambda: sagemaker.describe_endpoint(EndpointName="python"))
    print(json.dumps({"answer": answer.decode(), "names": names, "missing": missing, "error": error}))


def caught(call) -> dict:
    try:
        call()
    except ClientError as error:
        response = error.response
        return {
            "code": response["Error"]["Code"],
            "message": response["Error"]["Message"],
            "status": response["ResponseMetadata"]["HTTPStatusCode"],
            "original": response.get("OriginalStatusCode"),
        }
    raise AssertionError("the call should have failed")


if __name__ == "__main__":
    main()

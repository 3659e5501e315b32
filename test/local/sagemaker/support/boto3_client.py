"""Use SageMaker local by boto3, its waiters and its paginators: `boto3_client.py CLOUD_URL SAGEMAKER_URL`."""

import io
import json
import os
import sys
import tarfile

SCRIPT = """
import json, os
rows = open(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "rows.csv")).read().split()
print(f"rows={len(rows)}")
json.dump({"rows": len(rows)}, open(os.path.join(os.environ["SM_MODEL_DIR"], "model.json"), "w"))
"""


def main(cloud_url: str, sagemaker_url: str) -> dict:
    os.environ.update(
        AWS_ENDPOINT_URL=cloud_url,
        AWS_ENDPOINT_URL_SAGEMAKER=sagemaker_url,
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1",
    )
    import boto3
    from botocore.exceptions import ClientError, WaiterError

    sagemaker, s3 = boto3.client("sagemaker"), boto3.client("s3")
    s3.put_object(Bucket="work", Key="boto3/code.tar.gz", Body=archive({"train.py": SCRIPT}))
    s3.put_object(Bucket="work", Key="boto3/data/rows.csv", Body=b"1\n2\n")
    waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
    quick = {"Delay": 0.05, "MaxAttempts": 400}

    for index in range(3):
        sagemaker.create_training_job(**request(f"boto3-{index}"))
        waiter.wait(TrainingJobName=f"boto3-{index}", WaiterConfig=quick)
    job = sagemaker.describe_training_job(TrainingJobName="boto3-0")
    bucket, key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").split("/", 1)
    with tarfile.open(fileobj=io.BytesIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read())) as model:
        content = json.load(model.extractfile("model.json"))
    pages = sagemaker.get_paginator("list_training_jobs").paginate(
        NameContains="boto3-", SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 2}
    )
    names = [summary["TrainingJobName"] for page in pages for summary in page["TrainingJobSummaries"]]

    def error_of(call, **arguments) -> list[str]:
        try:
            call(**arguments)
        except ClientError as error:
            return [error.response["Error"]["Code"], error.response["Error"]["Message"]]
        return []

    failing = request("boto3-failing")
    failing["HyperParameters"]["sagemaker_program"] = "missing.py"
    sagemaker.create_training_job(**failing)
    try:
        waiter.wait(TrainingJobName="boto3-failing", WaiterConfig=quick)
        failed_waiter = None
    except WaiterError as error:
        failed_waiter = type(error).__name__

    sagemaker.create_model_package_group(ModelPackageGroupName="boto3")
    package = sagemaker.describe_model_package(
        ModelPackageName=sagemaker.create_model_package(ModelPackageGroupName="boto3")["ModelPackageArn"]
    )
    return {
        "status": job["TrainingJobStatus"],
        "model": content,
        "metrics": {one["MetricName"]: one["Value"] for one in job["FinalMetricDataList"]},
        "names": names,
        "duplicate": error_of(sagemaker.create_training_job, **request("boto3-0"))[0],
        "missing": error_of(sagemaker.describe_training_job, TrainingJobName="none"),
        "invalid": error_of(sagemaker.create_training_job, **request("bad_name")),
        "tags": sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"],
        "package": [package["ModelPackageVersion"], package["ModelApprovalStatus"]],
        "failedWaiter": failed_waiter,
    }


def request(name: str) -> dict:
    return {
        "TrainingJobName": name,
        "RoleArn": "arn:aws:iam::000000000000:role/training",
        "AlgorithmSpecification": {
            "TrainingImage": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "rows", "Regex": "rows=([0-9]+)"}],
        },
        "HyperParameters": {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": "s3://work/boto3/code.tar.gz",
        },
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://work/boto3/data/"}},
            }
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://work/boto3/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "Tags": [{"Key": "a", "Value": "b"}],
    }


def archive(files: dict[str, str]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return target.getvalue()


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2])))

"""train.py, evaluate.py and inference.py of the network as SageMaker runs them, on small generated data."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

from conftest import post

import numpy
import pytest
from model import TabularModel
from trials import evaluated, generated, project_of, trained

SMALL = {"epochs": "25", "members": "4", "width": "48", "embedding": "8", "bins": "16", "learning_rate": "0.005"}
GOOD = {"binary": ("auc", 0.9), "multiclass": ("accuracy", 0.7), "regression": ("r2", 0.8)}
ROW = {"x": 0.5, "y": -0.25, "colour": "green", "flag": True}


def weights_of(job):
    return TabularModel.load(job.root / "model").network.weights


def same(first, second):
    return first.keys() == second.keys() and all(numpy.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("objective", list(GOOD))
def test_train_evaluate_and_serve(make_job, serve, objective):
    job, output = trained(make_job, "tabular", objective, SMALL)
    metric, least = GOOD[objective]
    assert f"validation-{metric}=" in output
    files = evaluated(make_job, "tabular", objective, job, job)
    evaluation = json.loads(files["evaluation.json"])
    assert evaluation["candidate"]["metrics"][metric]["value"] > least
    assert evaluation["difference"][metric] == {"value": 0, "low": 0, "high": 0}
    importance = [entry["feature"] for entry in evaluation["featureImportance"]]
    assert set(importance[:3]) == {"x", "y", "colour"}
    assert "person" not in "".join(files.values()) + output
    shutil.rmtree(job.root / "code")
    connection = serve(job)
    status, body = post(connection, json.dumps({"instances": [ROW, {**ROW, "x": None, "colour": "unseen"}]}))
    assert status == 200, body
    assert len(json.loads(body)["predictions"]) == 2
    status, body = post(connection, json.dumps({"instances": [{**ROW, "flag": "yes"}]}))
    assert (status, json.loads(body)["error"]) == (400, "row 1, column 'flag': expected true or false, got JSON string")


def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(make_job):
    options = {**SMALL, "epochs": "12", "patience": "12", "dropout": "0.1"}
    whole, _ = trained(make_job, "tabular", "binary", options, "whole")
    job = make_job("interrupted")
    job.add_code("tabular", project_of("binary"))
    job.add_file("input/data/dataset", "0" * 64, generated("binary"))
    (job.root / "checkpoints").mkdir()
    process = job.start("train.py", options)
    while not (job.root / "checkpoints/tabular-checkpoint").exists():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.002)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 143, output
    code, output = job.run("train.py", options)
    assert code == 0, output
    assert "resumed after epoch" in output
    assert same(weights_of(job), weights_of(whole))


def test_two_processes_with_the_same_global_batch_end_within_rounding_of_one(make_job):
    """Gradients are summed in another order, so weights differ by rounding that grows over the steps: 1e-4 here."""
    options = {**SMALL, "epochs": "2", "batch_size": "128"}
    one, _ = trained(make_job, "tabular", "binary", options, "one")
    two = make_job("two")
    two.add_code("tabular", project_of("binary"))
    two.add_file("input/data/dataset", "0" * 64, generated("binary"))
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(two.root / "code/train.py")]
    arguments = [text for name, value in options.items() for text in (f"--{name}", value)]
    done = subprocess.run(
        [sys.executable, *launch, *arguments],
        env={**os.environ, "SAGEMAKER_BASE_DIR": str(two.root), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 x cpu" in done.stdout
    first, second = weights_of(one), weights_of(two)
    for name, value in first.items():
        assert numpy.allclose(value, second[name], atol=1e-4), name


def test_a_wrong_hyperparameter_is_named(make_job):
    job = make_job("failing")
    job.add_code("tabular", project_of("binary"))
    job.add_file("input/data/dataset", "0" * 64, generated("binary"))
    assert job.run("train.py", {"widht": "3"})[0] == 1
    assert "got the unknown hyperparameter 'widht', expected one of" in job.failure


def test_processes_of_one_job_end_together_when_the_first_is_stopped(make_job):
    """The platform signals the container's first process alone."""
    job = make_job("several")
    job.add_code("tabular", project_of("binary"))
    job.add_file("input/data/dataset", "0" * 64, generated("binary"))
    (job.root / "checkpoints").mkdir()
    endless = {**SMALL, "epochs": "100000", "patience": "100000"}
    process = job.start("train.py", endless, SM_NUM_GPUS="2", CUDA_VISIBLE_DEVICES="", OMP_NUM_THREADS="1")
    while not (job.root / "checkpoints/tabular-checkpoint").exists():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)  # until the last of them closes its output
    assert process.returncode != 0
    assert output.count("stopped by the platform (SIGTERM)") == 2
    assert not (job.root / "model").exists()


def test_a_gpu_that_pytorch_cannot_use_is_told(make_job):
    job = make_job("unusable")
    job.add_code("tabular", project_of("binary"))
    job.add_file("input/data/dataset", "0" * 64, generated("binary"))
    output, _ = job.start("train.py", {**SMALL, "epochs": "1"}, SM_NUM_GPUS="1", CUDA_VISIBLE_DEVICES="").communicate(
        timeout=120
    )
    assert "PyTorch cannot use the GPU of this machine" in output

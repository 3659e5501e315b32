"""The container contract: settings come as the platform and the SDKs write them, failures end as SageMaker reads them."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

from common.container import Container, JobError
from conftest import MODELS

import pytest


def configure(root, name, content):
    folder = root / "input" / "config"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))


def test_hyperparameters_are_strings_whoever_wrote_them(tmp_path, monkeypatch):
    configure(
        tmp_path, "hyperparameters.json", {"eta": "0.1", "name": '"quoted twice"', "sagemaker_program": "train.py"}
    )
    monkeypatch.setenv("SM_HPS", '{"max_depth": 4, "flag": true}')
    values = Container(tmp_path).hyperparameters(["--eta", "0.2", "-k", "v"])
    assert values == {"eta": "0.2", "name": "quoted twice", "max_depth": "4", "flag": "true", "k": "v"}
    with pytest.raises(JobError, match="expected '--name value' pairs"):
        Container(tmp_path).hyperparameters(["stray"])


def test_checkpoints_follow_the_job_root(tmp_path):
    assert Container(tmp_path).checkpoints is None
    (tmp_path / "checkpoints").mkdir()
    assert Container(tmp_path).checkpoints == tmp_path / "checkpoints"
    configure(tmp_path, "checkpointconfig.json", {"S3Uri": "s3://b/p", "LocalPath": "/opt/ml/elsewhere"})
    assert Container(tmp_path).checkpoints == tmp_path / "elsewhere"


def test_hosts_come_from_the_resource_config(tmp_path):
    assert Container(tmp_path).hosts() == ("algo-1", ["algo-1"])
    configure(tmp_path, "resourceconfig.json", {"current_host": "algo-2", "hosts": ["algo-2", "algo-1"]})
    assert Container(tmp_path).hosts() == ("algo-2", ["algo-1", "algo-2"])


def run(tmp_path, body):
    script = f"import sys; sys.path.insert(0, {str(MODELS)!r})\nfrom common.container import *\ndef job(container):\n"
    script += textwrap.indent(textwrap.dedent(body), "    ") + "\nrun_job(job)\n"
    return subprocess.run(
        [sys.executable, "-c", script],
        env={"SAGEMAKER_BASE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_failure_is_one_sentence_in_the_failure_file_and_exit_code_1(tmp_path):
    done = run(tmp_path, "raise JobError('got 1, expected 2; do 3')")
    assert done.returncode == 1
    assert (tmp_path / "output" / "failure").read_text() == "got 1, expected 2; do 3"
    assert "Traceback" not in done.stderr


def test_an_unforeseen_error_keeps_its_traceback_in_the_log_and_is_cut_in_the_file(tmp_path):
    done = run(tmp_path, "raise RuntimeError('x' * 5000)")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert len((tmp_path / "output" / "failure").read_text()) == 1024


def test_success_and_termination_have_their_exit_codes(tmp_path):
    assert run(tmp_path, "log('fine')").returncode == 0
    assert not (tmp_path / "output" / "failure").exists()
    assert (
        run(tmp_path, "import os, signal, time; os.kill(os.getpid(), signal.SIGTERM); time.sleep(5)").returncode == 143
    )

"""The container contract: settings come as the platform and the SDKs write them, failures end as SageMaker reads them."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

from common.container import Container, JobError, copy_code
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


@pytest.mark.parametrize("file", ["failure", "message"])  # of a training job, of a processing job
def test_a_failure_is_one_sentence_where_the_platform_reads_it_and_exit_code_1(tmp_path, file):
    done = run(tmp_path, "raise JobError('got 1, expected 2; do 3')")
    assert done.returncode == 1
    assert (tmp_path / "output" / file).read_text() == "got 1, expected 2; do 3"
    assert "Traceback" not in done.stderr


def test_an_unforeseen_error_keeps_its_traceback_in_the_log_and_is_cut_in_the_file(tmp_path):
    done = run(tmp_path, "raise RuntimeError('x' * 5000)")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert len((tmp_path / "output" / "failure").read_text()) == 1024


def test_a_failure_is_cut_to_bytes_between_characters_because_the_platform_wants_utf_8(tmp_path):
    run(tmp_path, "raise JobError('xy' + '€' * 1000)")
    content = (tmp_path / "output" / "message").read_bytes()
    assert content.decode() == "xy" + "€" * 340  # 1,022 bytes: the next character would need three


def test_success_and_termination_have_their_exit_codes(tmp_path):
    assert run(tmp_path, "log('fine')").returncode == 0
    assert not (tmp_path / "output" / "failure").exists()
    assert (
        run(tmp_path, "import os, signal, time; os.kill(os.getpid(), signal.SIGTERM); time.sleep(5)").returncode == 143
    )


def test_beside_a_model_lies_all_that_installs_its_code_and_nothing_a_toolkit_made(tmp_path):
    source = tmp_path / "code"
    source.mkdir()
    for name in ("inference.py", "setup.py", "setup.cfg", "project.json"):
        (source / name).write_text("")
    copy_code(source, tmp_path / "model")
    copied = {str(file.relative_to(tmp_path / "model")) for file in (tmp_path / "model").rglob("*") if file.is_file()}
    assert {"inference.py", "project.json", "pyproject.toml", "common/wheel.py", "common/serve.py"} <= copied
    assert not {"setup.py", "setup.cfg"} & copied

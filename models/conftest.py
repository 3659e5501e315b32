"""Runs the scripts as SageMaker does: as processes of their own, with a root folder of their own."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

MODELS = Path(__file__).resolve().parent
# Each algorithm's tests run in its own environment; `npm run test:models` runs both.
collect_ignore = [
    folder for folder, package in (("tabular", "torch"), ("xgboost", "xgboost")) if not find_spec(package)
]


def column(column_type: str, role: str = "feature", nullable: bool = False, pii: bool = False, **rules) -> dict:
    """One column's settings as project.json has them."""
    return {"role": role, "type": column_type, "nullable": nullable, "pii": pii, **rules}


def settings(columns: dict, objective: str = "binary", **changes) -> dict:
    """One ProjectSettings as project.json has it; `changes` are metric, format, hold_out, slices, bad."""
    metric = {"binary": "auc", "multiclass": "accuracy", "regression": "rmse"}[objective]
    return {
        "name": "trial",
        "problem": {"objective": objective, "decision": "", "limits": ""},
        "data": {
            "format": changes.get("format", "csv"),
            "mode": "append",
            "commit": "object",
            "columns": columns,
            "quality": {"maximumBadRowShare": changes.get("bad", 0), "minimumRows": 1},
        },
        "training": {"holdOut": changes.get("hold_out", 0.2), "seed": 7},
        "gate": {"metric": changes.get("metric", metric), "slices": changes.get("slices", [])},
    }


@dataclass
class Job:
    """One job's root, which stands for /opt/ml."""

    root: Path

    def add_code(self, algorithm: str, project: dict) -> None:
        """What the code archive holds: scripts, common/ and project.json."""
        code = self.root / "code"
        shutil.copytree(MODELS / algorithm, code, ignore=shutil.ignore_patterns("tests", "__pycache__"))
        shutil.copytree(MODELS / "common", code / "common", ignore=shutil.ignore_patterns("tests", "__pycache__"))
        (code / "project.json").write_text(json.dumps(project))

    def add_file(self, place: str, name: str, content: bytes) -> None:
        """A file of an input, as the platform downloads it."""
        folder = self.root / place
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

    def start(self, script: str, hyperparameters: dict | None = None, **environment: str) -> subprocess.Popen:
        config = self.root / "input" / "config"
        config.mkdir(parents=True, exist_ok=True)
        (config / "hyperparameters.json").write_text(json.dumps(hyperparameters or {}))
        return subprocess.Popen(
            [sys.executable, str(self.root / "code" / script)],
            env={**os.environ, "SAGEMAKER_BASE_DIR": str(self.root), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, script: str, hyperparameters: dict | None = None) -> tuple[int, str]:
        """(exit code, output)."""
        process = self.start(script, hyperparameters)
        output, _ = process.communicate(timeout=240)
        return process.returncode, output

    @property
    def failure(self) -> str:
        return (self.root / "output" / "failure").read_text()

    def archive_model(self, target: Path) -> None:
        """model.tar.gz as SageMaker makes it: the files of the model folder at the root of the archive."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(target, "w:gz") as archive:
            for file in sorted((self.root / "model").iterdir()):
                archive.add(file, file.name)


@pytest.fixture
def make_job(tmp_path):
    """A function from a name to a fresh job root."""

    def make(name: str) -> Job:
        root = tmp_path / name
        root.mkdir()
        return Job(root)

    return make


@pytest.fixture
def serve():
    """Starts the server on a trained job; stops it at the end."""
    running = []

    def start(job, **environment):
        process = subprocess.Popen(
            [sys.executable, str(MODELS / "common/serve.py")],
            env={**os.environ, "SAGEMAKER_BASE_DIR": str(job.root), "SAGEMAKER_BIND_TO_PORT": "0",
                 "FLYWHEEL_BIND_HOST": "127.0.0.1", "FLYWHEEL_MODEL_VERSION": "trial/3", **environment, "PYTHONPATH": ""},
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        running.append(process)
        for line in process.stdout:
            if line.startswith("listening on"):
                return http.client.HTTPConnection("127.0.0.1", int(line.rsplit(":", 1)[1]), timeout=30)
        raise AssertionError("the server ended")

    yield start
    for process in running:
        process.terminate()
        assert process.wait(timeout=30) == 0


def post(connection, body, content_type="application/json", **headers):
    connection.request("POST", "/invocations", body, {"Content-Type": content_type, **headers})
    response = connection.getresponse()
    return response.status, response.read().decode()

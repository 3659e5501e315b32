"""The container process under load: one client, one connection, requests of 1 and of 1,000 rows, in each form.

    python models/bench/inference.py [--root JOB] [--algorithm xgboost] [--rounds 200] [--seconds 5] [--keep DIR]

Trains a model on generated rows first, unless `--root` names a job root whose `model/` is trained; the network needs an
environment with PyTorch for that. The last line is JSON:
`{readySeconds, requests: {"1-by-rows.json": {...}, "1000-by-columns.json": {...}, ...}}`; with `--keep`, the model folder
and the bodies of the requests stay in DIR, so that another server can be measured with the same ones.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy

MODELS = Path(__file__).resolve().parent.parent
ROWS = (1, 1000)
CONTENT_TYPES = {".json": "application/json", ".csv": "text/csv"}
TRAINING_ROWS = 20_000
NUMBERS = [f"number_{position}" for position in range(11)]
CATEGORIES = {"carrier": 16, "origin": 3, "dest": 105}


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--root", type=Path, help="job root with a trained model of the generated columns")
    arguments.add_argument("--algorithm", choices=["xgboost", "tabular"], default="xgboost")
    arguments.add_argument("--rounds", default="200", help="trees of the booster")
    arguments.add_argument("--seconds", type=float, default=5, help="for each size of request")
    arguments.add_argument("--keep", type=Path, help="folder for the model and the request bodies")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="inference-bench-") as folder:
        root = chosen.root or _train(Path(folder), chosen.algorithm, chosen.rounds)
        bodies = {f"{rows}-{form}": body for rows in ROWS for form, body in _bodies(_instances(rows)).items()}
        if chosen.keep:
            shutil.copytree(root / "model", chosen.keep / "model", dirs_exist_ok=True)
            for name, body in bodies.items():
                (chosen.keep / f"request-{name}").write_bytes(body)
        print(json.dumps(_measure(root, bodies, chosen.seconds)))


def _bodies(instances: list[dict]) -> dict[str, bytes]:
    names = list(instances[0])
    lines = [names, *([str(value) for value in row.values()] for row in instances)]
    return {
        "by-rows.json": json.dumps({"instances": instances}).encode(),
        "by-columns.json": json.dumps({"inputs": {name: [row[name] for row in instances] for name in names}}).encode(),
        "table.csv": "\n".join(map(",".join, lines)).encode(),
    }


def _measure(root: Path, bodies: dict[str, bytes], seconds: float) -> dict:
    started = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, str(MODELS / "common" / "serve.py")],
        env={
            **os.environ,
            "SAGEMAKER_BASE_DIR": str(root),
            "SAGEMAKER_BIND_TO_PORT": "0",
            "FLYWHEEL_BIND_HOST": "127.0.0.1",
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        port = next(int(line.rsplit(":", 1)[1]) for line in server.stdout if line.startswith("listening"))
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/ping")
        connection.getresponse().read()
        ready = time.perf_counter() - started

        def post(name: str) -> None:
            content_type = CONTENT_TYPES[Path(name).suffix]
            connection.request("POST", "/invocations", bodies[name], {"Content-Type": content_type})
            response = connection.getresponse()
            answer = response.read()
            if response.status != 200:
                raise SystemExit(f"got status {response.status}, expected 200: {answer[:200]!r}")

        requests = {name: _timed(int(name.partition("-")[0]), lambda name=name: post(name), seconds) for name in bodies}
        return {"readySeconds": round(ready, 3), "requests": requests}
    finally:
        server.terminate()
        server.wait()


def _timed(rows: int, request: Callable[[], None], seconds: float) -> dict:
    """Percentiles in milliseconds; the first tenth of the time warms up."""
    _repeat(request, seconds / 10)
    times = numpy.array(_repeat(request, seconds)) * 1000
    return {
        "p50Ms": round(float(numpy.percentile(times, 50)), 3),
        "p99Ms": round(float(numpy.percentile(times, 99)), 3),
        "rowsPerSecond": round(rows * len(times) / times.sum() * 1000),
        "requests": len(times),
    }


def _repeat(request: Callable[[], None], seconds: float) -> list[float]:
    times = []
    end = time.perf_counter() + seconds
    while (before := time.perf_counter()) < end:
        request()
        times.append(time.perf_counter() - before)
    return times


def _instances(rows: int) -> list[dict]:
    random = numpy.random.default_rng(rows)
    numbers = numpy.round(random.normal(size=(rows, len(NUMBERS))), 3).tolist()
    codes = {name: random.integers(0, size, rows).tolist() for name, size in CATEGORIES.items()}
    return [
        {**dict(zip(NUMBERS, numbers[row], strict=True)), **{name: f"{name}{codes[name][row]}" for name in CATEGORIES}}
        for row in range(rows)
    ]


def _train(root: Path, algorithm: str, rounds: str) -> Path:
    """A job root with a model of the algorithm's default size: no early stopping, so that every run measures the same."""
    code = root / "code"
    ignored = shutil.ignore_patterns("tests", "__pycache__")
    shutil.copytree(MODELS / algorithm, code, ignore=ignored)
    shutil.copytree(MODELS / "common", code / "common", ignore=ignored)
    column = {"role": "feature", "nullable": False, "pii": False}
    columns = {name: {**column, "type": "number"} for name in NUMBERS}
    columns |= {name: {**column, "type": "category"} for name in CATEGORIES}
    columns["late"] = {**column, "role": "label", "type": "boolean"}
    settings = {
        "name": "bench",
        "problem": {"objective": "binary"},
        "data": {"format": "jsonl", "columns": columns, "quality": {"maximumBadRowShare": 0}},
        "training": {"holdOut": 0.01, "seed": 1},
        "gate": {"metric": "auc", "slices": []},
    }
    (code / "project.json").write_text(json.dumps(settings))
    random = numpy.random.default_rng(0)
    channel = root / "input" / "data" / "dataset"
    channel.mkdir(parents=True)
    lines = []
    for row in _instances(TRAINING_ROWS):
        margin = row[NUMBERS[0]] * row[NUMBERS[1]] + numpy.sin(3 * row[NUMBERS[2]]) + len(row["dest"]) / 2 - 2
        lines.append(json.dumps({**row, "late": bool(margin + random.normal() > 0)}))
    (channel / ("0" * 64)).write_text("\n".join(lines))
    # One epoch of the network: how good it is does not change how long it takes.
    size = ["--num_round", rounds, "--validation_share", "0"] if algorithm == "xgboost" else ["--epochs", "1"]
    subprocess.run(
        [sys.executable, str(code / "train.py"), *size],
        env={**os.environ, "SAGEMAKER_BASE_DIR": str(root)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return root


if __name__ == "__main__":
    main()

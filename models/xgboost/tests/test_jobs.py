"""train.py, evaluate.py and inference.py as SageMaker runs them, on small generated data."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from common.project import parse_project
from conftest import column, post

import numpy
import pytest
import xgboost
from matrices import load_data
from options import read_options
from trials import COLOURS, evaluated, generated, project_of, trained
from workers import Worker

OPTIONS = {"num_round": "60", "eta": "0.2"}


def train_one(make_job, objective, name="train", hyperparameters=None):
    return trained(make_job, "xgboost", objective, {**OPTIONS, **(hyperparameters or {})}, name)


GOOD = {"binary": ("auc", 0.9), "multiclass": ("accuracy", 0.7), "regression": ("r2", 0.8)}


@pytest.mark.parametrize("objective", list(GOOD))
def test_train_and_evaluate(make_job, objective):
    candidate, output = train_one(make_job, objective)
    champion, _ = train_one(make_job, objective, "champion", {"max_depth": "1", "num_round": "5"})
    files = evaluated(make_job, "xgboost", objective, candidate, champion)
    evaluation, baseline = json.loads(files["evaluation.json"]), json.loads(files["baseline.json"])
    metric, least = GOOD[objective]
    assert re.search(rf"^validation-{metric}=[-+0-9.eE]+$", output, re.MULTILINE)
    assert evaluation["candidate"]["metrics"][metric]["value"] > least
    assert evaluation["difference"][metric]["low"] > 0
    assert evaluation["rows"] + evaluation["trainingRows"] == 1500
    assert baseline["rows"] == evaluation["trainingRows"]
    assert [bins["name"] for bins in baseline["features"]] == ["x", "y", "colour", "flag"]
    assert all(sum(b["counts"]) + b["missing"] + b.get("other", 0) == baseline["rows"] for b in baseline["features"])
    assert baseline["prediction"]["kind"] == ("categorical" if objective == "multiclass" else "numeric")
    assert sum(baseline["prediction"]["counts"]) == evaluation["rows"]
    assert {part["value"] for part in evaluation["slices"]} == {*COLOURS, "(missing)"}
    assert sum(part["rows"] for part in evaluation["slices"]) == evaluation["rows"]
    assert {entry["feature"] for entry in evaluation["featureImportance"]} == {"x", "y", "colour", "flag"}
    assert evaluation["featureImportance"][-1]["feature"] == "flag"  # which has nothing to do with the target
    assert len(evaluation["candidate"]["calibration"]) == (10 if objective == "binary" else 0)
    assert "<svg" in files["report.html"]
    assert "http" not in files["report.html"]
    for content in (*files.values(), output):
        assert "owner" not in content
        assert "person" not in content


def test_without_a_champion_there_is_nothing_to_compare(make_job):
    candidate, _ = train_one(make_job, "binary")
    files = evaluated(make_job, "xgboost", "binary", candidate, None)
    evaluation = json.loads(files["evaluation.json"])
    assert evaluation["champion"] is None
    assert evaluation["difference"] is None


def test_the_same_run_twice_gives_the_same_bytes(make_job):
    options = {"subsample": "0.7", "colsample_bytree": "0.8"}
    first, _ = train_one(make_job, "binary", "first", options)
    second, _ = train_one(make_job, "binary", "second", options)
    assert (first.root / "model/xgboost-model").read_bytes() == (second.root / "model/xgboost-model").read_bytes()


@pytest.mark.parametrize("subsample", ["1", "0.7"])
def test_an_interrupted_run_ends_with_the_trees_of_an_uninterrupted_one(make_job, subsample):
    options = {"num_round": "350", "eta": "0.05", "subsample": subsample, "early_stopping_rounds": "350"}
    whole, _ = train_one(make_job, "binary", "whole", options)
    job = make_job("interrupted")
    job.add_code("xgboost", project_of("binary"))
    job.add_file("input/data/dataset", "0" * 64, generated("binary"))
    (job.root / "checkpoints").mkdir()
    process = job.start("train.py", {**options, "checkpoint_seconds": "0"})
    while not (job.root / "checkpoints/xgboost-checkpoint").exists():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 143, output
    assert not (job.root / "model").exists()
    code, output = job.run("train.py", options)
    assert code == 0, output
    assert "resumed after round" in output
    assert (job.root / "model/xgboost-model").read_bytes() == (whole.root / "model/xgboost-model").read_bytes()
    shutil.rmtree(job.root / "model")
    code, output = job.run("train.py", {**options, "max_depth": "2"})
    assert code == 0
    assert "the checkpoint belongs to other data or hyperparameters" in output


FAILURES = [
    ({"depth": "3"}, {}, "got the unknown hyperparameter 'depth'"),
    ({"num_round": "many"}, {}, "got hyperparameter num_round='many', expected a number"),
    ({"workers": "many"}, {}, "got hyperparameter workers='many', expected a number"),
    ({"num_round": "0"}, {}, "got hyperparameter num_round=0, expected 1 or more"),
    ({"validation_share": "2"}, {}, "got hyperparameter validation_share=2.0, expected 0 or more and less than 1"),
    ({}, {"columns": {"x": column("number"), "target": column("category", "label")}}, "classes of label 'target'"),
    ({}, {"columns": {"absent": column("number"), "target": column("boolean", "label")}}, "has no column 'absent'"),
]


@pytest.mark.parametrize(("hyperparameters", "changes", "reason"), FAILURES)
def test_a_failure_says_what_to_change(make_job, hyperparameters, changes, reason):
    job = make_job("failing")
    project = project_of("binary", bad=1)
    project["data"]["columns"] = changes.get("columns", project["data"]["columns"])
    job.add_code("xgboost", project)
    content = generated("multiclass") if "columns" in changes and "x" in changes["columns"] else generated("binary")
    job.add_file("input/data/dataset", "0" * 64, content)
    code, _ = job.run("train.py", hyperparameters)
    assert code == 1
    assert reason in job.failure
    assert "\n" not in job.failure


ROW = {"x": 0.5, "y": -0.25, "colour": "green", "flag": True}


def test_rows_too_few_to_watch_are_trained_on_from_disk_too(make_job):
    models = []
    for memory in ("false", "true"):
        job = make_job(f"few-{memory}")
        job.add_code("xgboost", project_of("binary"))
        job.add_file("input/data/dataset", "0" * 64, generated("binary", rows=300))
        code, output = job.run("train.py", {"num_round": "3", "external_memory": memory})
        assert code == 0, output
        assert "watching 0" in output
        models.append(xgboost.Booster(model_file=job.root / "model/xgboost-model").get_dump(with_stats=True))
    # The statistics of the first tree's root count all training rows.
    cover = [re.search(r"cover=([0-9.]+)", dump[0])[1] for dump in models]
    assert cover[0] == cover[1]


def with_days(content: bytes, days: int) -> bytes:
    """The rows dealt to days, one after the other."""
    header, *rows = content.decode().splitlines()
    dated = [f"{row},2013-{place % days // 28 + 1:02d}-{place % days % 28 + 1:02d}" for place, row in enumerate(rows)]
    return "\n".join([f"{header},at", *dated]).encode() + b"\n"


@pytest.mark.parametrize("memory", ["false", "true"])
def test_days_are_watched_and_held_out_whole(make_job, memory):
    project = project_of("binary")
    project["data"]["columns"] = project["data"]["columns"] | {"at": column("timestamp", "time")}
    project["training"]["holdOutBy"] = "day"
    content = with_days(generated("binary"), 50)
    job = make_job("days")
    job.add_code("xgboost", project)
    job.add_file("input/data/dataset", "0" * 64, content)
    code, output = job.run("train.py", {**OPTIONS, "external_memory": memory})
    assert code == 0, output
    held = re.search(r"watching (\d+) of (\d+) days", output)
    hidden_days = 50 - int(held[2])
    assert 3 <= hidden_days <= 20
    assert int(held[1]) >= 3
    job.add_file("processing/input/dataset", "0" * 64, content)
    job.archive_model(job.root / "processing/input/candidate/model.tar.gz")
    code, output = job.run("evaluate.py")
    assert code == 0, output
    assert f"held out {hidden_days} days" in output
    evaluation = json.loads((job.root / "processing/output/evaluation.json").read_text())
    assert evaluation["rows"] == hidden_days * 30
    assert evaluation["intervalsOver"] == "days"
    assert "by bootstrap over days" in (job.root / "processing/output/report.html").read_text()


def test_serving(make_job, serve):
    job, _ = train_one(make_job, "binary")
    shutil.rmtree(job.root / "code")  # the archive alone must be enough
    connection = serve(job)
    connection.request("GET", "/ping")
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"")
    status, body = post(connection, json.dumps({"instances": [ROW, {**ROW, "x": None}]}))
    answer = json.loads(body)
    assert (status, answer["modelVersion"]) == (200, "trial/3")
    assert all(0 < value < 1 for value in answer["predictions"])
    csv = "x,y,colour,flag\n0.5,-0.25,green,true\n,-0.25,green,true\n"
    assert json.loads(post(connection, csv, "text/csv")[1]) == answer
    lines = "\n".join(json.dumps({**ROW, **change}) for change in ({}, {"x": None}))
    assert json.loads(post(connection, lines, "application/jsonlines")[1]) == answer
    rendered = post(connection, csv, "text/csv", Accept="text/csv")[1].split()
    assert [float(text) for text in rendered] == answer["predictions"]
    status, body = post(connection, json.dumps({"instances": [ROW, {**ROW, "y": "high"}]}))
    assert status == 400
    assert json.loads(body)["error"] == "row 2, column 'y': expected a finite number, got JSON string"
    assert post(connection, "{")[0] == 400
    big = json.dumps({"instances": [ROW] * 30000})
    status, body = post(connection, big)
    assert len(big) > 1 << 20
    assert set(json.loads(body)["predictions"]) == {answer["predictions"][0]}
    connection.request("GET", "/elsewhere")
    assert connection.getresponse().read() and True


def test_serving_other_objectives(make_job, serve):
    for objective in ("multiclass", "regression"):
        job, _ = train_one(make_job, objective, objective)
        status, body = post(serve(job), json.dumps({"instances": [ROW] * 200}))
        assert status == 200
        first, *others = json.loads(body)["predictions"]
        assert all(other == first for other in others)
        if objective == "multiclass":
            assert set(first["probabilities"]) == {"low", "middle", "high"}
            assert first["label"] == max(first["probabilities"], key=first["probabilities"].get)
            assert sum(first["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        else:
            assert isinstance(first, float)


def test_a_chunked_and_a_pipelined_request_are_answered_in_order(make_job, serve):
    job, _ = train_one(make_job, "regression")
    connection = serve(job)
    connection.connect()
    body = json.dumps({"instances": [ROW]}).encode()
    head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    chunked += b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (5, body[:5], len(body) - 5, body[5:])
    plain = head + b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    for byte in range(0, len(chunked), 40):  # arrives in pieces
        connection.sock.sendall(chunked[byte : byte + 40])
    connection.sock.sendall(b"GET /ping HTTP/1.1\r\n\r\n" + plain)
    received = b""
    while part := connection.sock.recv(65536):
        received += part
    answers = received.split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200"] * 3
    assert answers[0].rsplit(b"\r\n", 1)[1] == answers[2].rsplit(b"\r\n", 1)[1] != b""


def test_going_on_from_a_model_keeps_its_trees(make_job):
    first, _ = train_one(make_job, "binary", "first", {"num_round": "20"})
    job = make_job("further")
    job.add_code("xgboost", project_of("binary"))
    job.add_file("input/data/dataset", "0" * 64, generated("binary", seed=5))
    first.archive_model(job.root / "input/data/model/model.tar.gz")
    code, output = job.run("train.py", {"num_round": "15", "eta": "0.2", "early_stopping_rounds": "15"})
    assert code == 0, output
    assert "going on from a model of 20 rounds" in output
    before, after = (xgboost.Booster(model_file=each.root / "model/xgboost-model") for each in (first, job))
    assert 20 < after.num_boosted_rounds() <= 35
    assert after[:20].get_dump() == before.get_dump()
    assert (job.root / "model/encoder.json").read_bytes() == (first.root / "model/encoder.json").read_bytes()


def test_a_model_with_other_features_is_no_start(make_job):
    first, _ = train_one(make_job, "binary", "first")
    job = make_job("further")
    project = project_of("binary")
    del project["data"]["columns"]["flag"]
    job.add_code("xgboost", project)
    job.add_file("input/data/dataset", "0" * 64, generated("binary"))
    first.archive_model(job.root / "input/data/model/model.tar.gz")
    assert job.run("train.py")[0] == 1
    assert "other features (flag)" in job.failure


def predictions_of(job, content):
    """The model's probabilities for the rows of a CSV, by the code in its own archive."""
    job.add_file("input/data/other", "0" * 64, content)
    script = (
        "import sys, pathlib, numpy; root = pathlib.Path(sys.argv[1]); sys.path.insert(0, str(root / 'model/code'))\n"
        "from common.dataset import read_dataset; from common.project import load_project; from booster import XgboostModel\n"
        "model = XgboostModel.load(root / 'model')\n"
        "table = read_dataset(root / 'input/data/other', load_project(root / 'model/code'))\n"
        "numpy.save(root / 'scores.npy', model.predict(model.encoder.encode(table)))"
    )
    subprocess.run([sys.executable, "-c", script, str(job.root)], check=True, timeout=60)
    return numpy.load(job.root / "scores.npy")


@pytest.mark.parametrize("options", [{"external_memory": "true"}, {"workers": "2"}])
def test_pages_on_disk_and_several_workers_give_nearly_the_same_model(make_job, options):
    """Quantiles are sketched from parts, so bins and with them trees differ a little: predictions by 0.02 on average."""
    plain, _ = train_one(make_job, "binary", "plain", {"early_stopping_rounds": "60"})
    job = make_job("other")
    job.add_code("xgboost", project_of("binary"))
    header, *lines = generated("binary").splitlines(keepends=True)
    for part in range(3):
        job.add_file("input/data/dataset", str(part) * 64, header + b"".join(lines[part * 500 : (part + 1) * 500]))
    code, output = job.run("train.py", {**OPTIONS, "early_stopping_rounds": "60", **options})
    assert code == 0, output
    assert ("matrices on disk" if "external_memory" in options else "starting 2 workers") in output
    assert not [folder for folder in re.findall(r"pages in (\S+)", output) if os.path.exists(folder)]
    rows = generated("binary", seed=9)
    assert numpy.abs(predictions_of(job, rows) - predictions_of(plain, rows)).mean() < 0.02
    assert (job.root / "model/encoder.json").read_bytes() == (plain.root / "model/encoder.json").read_bytes()


def test_pages_on_disk_for_a_gpu_hold_the_same_rows(make_job):
    """What a GPU makes of them needs one; here a CPU trains on them."""
    job = make_job("pages")
    project = parse_project(project_of("binary"))
    for part in range(2):
        job.add_file("input/data/dataset", str(part) * 64, generated("binary", seed=part))
    aucs, rows = [], set()
    for device in ("cuda", "gpu", "cpu"):
        options = read_options({"external_memory": "true", "device": device}, project)
        data = load_data(job.root / "input/data/dataset", project, options, Worker(0, 1), None)
        try:
            assert isinstance(data.training, xgboost.ExtMemQuantileDMatrix) == (device == "cpu")
            rows.add((data.training.num_row(), data.watching.num_row()))
            settings = {"objective": "binary:logistic", "tree_method": "hist", "eval_metric": "auc"}
            booster = xgboost.train(settings, data.training, 20)
            line = booster.eval(data.watching)
        finally:
            data.close()
        aucs.append(float(line.rpartition(":")[2]))
    assert len(rows) == 1
    assert min(aucs) > 0.9
    assert max(aucs) - min(aucs) < 0.02


def test_a_failing_worker_ends_the_job_with_its_reason(make_job):
    job = make_job("failing")
    job.add_code("xgboost", project_of("binary"))
    job.add_file("input/data/dataset", "0" * 64, b"nonsense\n1\n")
    code, _ = job.run("train.py", {"workers": "2"})
    assert code == 1
    assert "has no column" in job.failure


def test_several_processes_share_the_port_and_end_together(make_job, serve):
    job, _ = train_one(make_job, "regression")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    first = serve(job, SAGEMAKER_MODEL_SERVER_WORKERS="2", SAGEMAKER_BIND_TO_PORT=str(port))
    answers = set()
    for _ in range(10):
        connection = http.client.HTTPConnection("127.0.0.1", first.port, timeout=30)
        answers.add(post(connection, json.dumps({"instances": [ROW]})))
        connection.close()
    assert len(answers) == 1
    assert answers.pop()[0] == 200

"""A project changes its algorithm: the champion of the other one is scored by the code in its own archive, and gets the
numbers that its own evaluation gives it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

from common.dataset import read_dataset
from common.foreign_model import ForeignModel
from common.project import parse_project
from conftest import MODELS, Job

import numpy
import pytest
from trials import evaluated, generated, project_of, trained

pytest.importorskip("xgboost")

OPTIONS = {
    "xgboost": {"num_round": "20", "eta": "0.3"},
    "tabular": {"epochs": "3", "members": "2", "width": "16", "embedding": "4", "bins": "8"},
}


def predictions_in_process(job, algorithm):
    """By the model's own loader and encoder."""
    script = [MODELS / "quality/score.py", job.root / "model/code", job.root, algorithm]
    subprocess.run([sys.executable, *map(str, script)], check=True, timeout=60, capture_output=True)
    return numpy.load(job.root / "scores.npy")


def predictions_by_own_code(job, project):
    unpacked = shutil.copytree(job.root / "model", job.root / "unpacked")
    return ForeignModel(unpacked, project).predict(read_dataset(job.root / "input/data/test", project))


@pytest.mark.parametrize("objective", ["binary", "multiclass", "regression"])
def test_each_is_judged_against_the_other_as_against_itself(make_job, objective):
    project = parse_project(project_of(objective))
    jobs = {name: trained(make_job, name, objective, options, name)[0] for name, options in OPTIONS.items()}
    evaluations = {}
    for name, other in (("xgboost", "tabular"), ("tabular", "xgboost")):
        jobs[name].add_file("input/data/test", "0" * 64, generated(objective, rows=400, seed=3))
        plain, foreign = predictions_in_process(jobs[name], name), predictions_by_own_code(jobs[name], project)
        assert foreign.dtype == plain.dtype == numpy.float32
        # inference.py may add a model's parts in another order than an evaluation.
        assert numpy.allclose(foreign, plain, rtol=1e-6, atol=1e-6)
        files = evaluated(make_job, name, objective, jobs[name], jobs[other])
        evaluations[name] = json.loads(files["evaluation.json"])
    one, two = evaluations.values()
    for metric in one["difference"]:
        for champion, candidate in ((one, two), (two, one)):
            found, expected = champion["champion"]["metrics"][metric], candidate["candidate"]["metrics"][metric]
            assert found["value"] == pytest.approx(expected["value"], rel=1e-5), metric
        assert one["difference"][metric]["value"] == pytest.approx(-two["difference"][metric]["value"], abs=1e-6), (
            metric
        )


def test_a_champion_without_code_fails_in_words(make_job):
    candidate, _ = trained(make_job, "xgboost", "binary", OPTIONS["xgboost"], "xgboost")
    (candidate.root / "champion/model").mkdir(parents=True)
    (candidate.root / "champion/model/encoder.json").write_text((candidate.root / "model/encoder.json").read_text())
    job = make_job("evaluate")
    job.add_code("xgboost", project_of("binary"))
    job.add_file("processing/input/dataset", "0" * 64, generated("binary"))
    candidate.archive_model(job.root / "processing/input/candidate/model.tar.gz")
    Job(candidate.root / "champion").archive_model(job.root / "processing/input/champion/model.tar.gz")
    assert job.run("evaluate.py")[0] == 1
    assert job.failure.startswith("got no code/inference.py in the archive of the champion")

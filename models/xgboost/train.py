"""XGBoost as a SageMaker training job: one script for a laptop's CPU and an instance's GPU.

Reads the channel `dataset` (and, to go on from a model, the channel `model`), writes `xgboost-model`, `encoder.json` and `code/` into the model folder. Hyperparameters
are XGBoost's own, and those of `Options`. An interrupted run goes on from its newest checkpoint and ends with the same
trees as an uninterrupted one.
"""

from __future__ import annotations

import sys
import tarfile
import tempfile
from pathlib import Path

from common.container import (
    Container,
    JobError,
    base_dir,
    copy_code,
    cpu_count,
    gpu_count,
    log,
    log_metric,
    run_job,
    write_atomically,
)
from common.encoder import Encoder
from common.metrics import point_metrics
from common.project import Project, load_project

import numpy
import xgboost
from booster import ENCODER_FILE, MODEL_FILE, XgboostModel
from boosting import Boosting
from matrices import Data, load_data
from options import Options, read_options
from workers import Worker, device_of, is_worker, joined, run_workers


def train(container: Container) -> None:
    """One training job.

    Raises JobError with what the user can change.
    """
    project = load_project(Path(__file__).resolve().parent)
    options = read_options(container.hyperparameters(), project)
    with joined() as worker:
        start = _model_to_go_on_from(container, project)
        data = load_data(container.channel("dataset"), project, options, worker, start.encoder if start else None)
        try:
            _train_on(data, start, container, project, options, worker)
        finally:
            data.close()


def _train_on(
    data: Data, start: XgboostModel | None, container: Container, project: Project, options: Options, worker: Worker
) -> None:
    parameters = _parameters(options, project, data.encoder, worker)
    log(f"device {parameters['device']}, {worker.world} workers")
    trees = start.booster if start else None
    booster = Boosting(parameters, data.training, data.watching, options, container.checkpoints, trees).run()
    if worker.rank != 0:
        return
    if data.watching is not None:
        _log_quality(booster, data.watching, project)
    _save(container, booster, data.encoder, Path(__file__).resolve().parent)


def _model_to_go_on_from(container: Container, project: Project) -> XgboostModel | None:
    """Warm start: the model.tar.gz of the channel `model`, if the job has one. Its trees and its encoder are kept."""
    archives = sorted((container.base / "input" / "data" / "model").glob("*.tar.gz"))
    if not archives:
        return None
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(archives[0]) as archive:
            archive.extractall(folder, filter="data")
        model = XgboostModel.load(Path(folder))
    known = {(feature.name, feature.kind) for feature in model.encoder.features}
    wanted = {(column.name, column.type) for column in project.features}
    if known != wanted:
        names = ", ".join(sorted(name for name, _ in known ^ wanted))
        raise JobError(
            f"got a model to go on from with other features ({names}), expected the project's; train without it"
        )
    log(f"going on from a model of {model.booster.num_boosted_rounds()} rounds")
    return model


def _parameters(options: Options, project: Project, encoder: Encoder, worker: Worker) -> dict[str, object]:
    """XGBoost's parameters: what follows from the project, over it what the user set."""
    classes = len(encoder.label.classes)
    objectives = {
        "binary": {"objective": "binary:logistic", "eval_metric": ["auc", "logloss"]},
        "multiclass": {"objective": "multi:softprob", "num_class": classes, "eval_metric": ["mlogloss"]},
        "regression": {"objective": "reg:squarederror", "eval_metric": ["rmse"]},
    }
    return {
        "tree_method": "hist",
        "device": device_of(options, worker),
        "nthread": max(cpu_count() // worker.world, 1),
        **objectives[project.objective],
        **options.booster,
    }


def _log_quality(booster: xgboost.Booster, watching: xgboost.DMatrix, project: Project) -> None:
    """To the log: `validation-auc=0.7312`; of worker 0's rows."""
    for name, value in point_metrics(project.objective, watching.get_label(), booster.predict(watching)).items():
        if numpy.isfinite(value):
            log_metric(f"validation-{name}", value)


def _save(container: Container, booster: xgboost.Booster, encoder: Encoder, code: Path) -> None:
    write_atomically(container.model / MODEL_FILE, booster.save_raw("ubj"))
    write_atomically(container.model / ENCODER_FILE, encoder.to_json().encode())
    copy_code(code, container.model / "code")
    log(f"saved {booster.num_boosted_rounds()} rounds to {container.model}")


def _workers_wanted() -> int:
    """One a GPU, unless the hyperparameter `workers` says otherwise; what is no number is left to the job to refuse."""
    wanted = Container(base_dir()).hyperparameters().get("workers", "0")
    return (int(wanted) if wanted.isdecimal() else 1) or max(gpu_count(), 1)


if __name__ == "__main__":
    if _workers_wanted() > 1 and not is_worker():
        sys.exit(run_workers(_workers_wanted()))
    run_job(train)

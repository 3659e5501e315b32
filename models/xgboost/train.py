"""XGBoost in SageMaker's script mode: one script for a laptop's CPU and an instance's GPU.

Reads the channel `dataset`, writes `xgboost-model`, `encoder.json` and `code/` into the model folder. Hyperparameters
are XGBoost's own, and those of `Options`. An interrupted run goes on from its newest checkpoint and ends with the same
trees as an uninterrupted one.
"""

from __future__ import annotations

from pathlib import Path

from common.container import (
    Container,
    JobError,
    copy_code,
    cpu_count,
    gpu_count,
    log,
    log_metric,
    run_job,
    write_atomically,
)
from common.dataset import read_dataset
from common.encoder import Encoder
from common.metrics import point_metrics
from common.project import Project, load_project
from common.split import held_out, validation

import numpy
import pyarrow
import xgboost
from booster import ENCODER_FILE, MODEL_FILE, feature_types
from boosting import Boosting
from options import Options, read_options

MINIMUM_VALIDATION_ROWS = 50


def train(container: Container) -> None:
    """One training job.

    Raises JobError with what the user can change.
    """
    code = Path(__file__).resolve().parent
    project = load_project(code)
    options = read_options(container.hyperparameters(), project)
    table = read_dataset(container.channel("dataset"), project)
    rows = table.filter(pyarrow.array(~held_out(table, project)))
    rows = _with_label(rows, project)
    encoder = Encoder.fit(rows, project)
    matrix, labels = encoder.encode(rows), encoder.labels(rows)
    watched = validation(rows, project, options.validation_share)
    if watched.sum() < MINIMUM_VALIDATION_ROWS:
        log(f"{watched.sum()} validation rows are too few to stop early: trained on all {len(watched)} rows")
        watched[:] = False
    parameters = _parameters(options, project, encoder)
    log(
        f"training on {(~watched).sum()} rows, watching {watched.sum()}, held out {table.num_rows - len(watched)} or unlabelled; "
        f"{encoder.width} columns; device {parameters['device']}"
    )
    training = _quantile_matrix(matrix[~watched], labels[~watched], encoder, options)
    watching = None
    if watched.any():
        watching = _quantile_matrix(matrix[watched], labels[watched], encoder, options, like=training)
    boosting = Boosting(parameters, training, watching, options, container.checkpoints)
    booster = boosting.run()
    if watched.any():
        _log_quality(booster, matrix[watched], labels[watched], project)
    _save(container, booster, encoder, code)


def _with_label(rows: pyarrow.Table, project: Project) -> pyarrow.Table:
    """Rows without a label teach nothing."""
    labels = rows[project.label.name]
    if labels.null_count:
        log(f"left out {labels.null_count} rows without a label")
        rows = rows.filter(labels.is_valid())
    if rows.num_rows == 0:
        raise JobError("got no labelled row to train on, expected some; upload more rows or lower training.holdOut")
    return rows


def _parameters(options: Options, project: Project, encoder: Encoder) -> dict[str, object]:
    """XGBoost's parameters: what follows from the project, over it what the user set."""
    classes = len(encoder.label.classes)
    objectives = {
        "binary": {"objective": "binary:logistic", "eval_metric": ["auc", "logloss"]},
        "multiclass": {"objective": "multi:softprob", "num_class": classes, "eval_metric": ["mlogloss"]},
        "regression": {"objective": "reg:squarederror", "eval_metric": ["rmse"]},
    }
    has_cuda = bool(xgboost.build_info().get("USE_CUDA")) and gpu_count() > 0
    return {
        "tree_method": "hist",
        "device": "cuda" if has_cuda else "cpu",
        "nthread": cpu_count(),
        **objectives[project.objective],
        **options.booster,
    }


def _quantile_matrix(
    matrix: numpy.ndarray,
    labels: numpy.ndarray,
    encoder: Encoder,
    options: Options,
    like: xgboost.DMatrix | None = None,
) -> xgboost.QuantileDMatrix:
    return xgboost.QuantileDMatrix(
        matrix,
        label=labels,
        feature_types=feature_types(encoder),
        enable_categorical=True,
        max_bin=options.max_bin,
        ref=like,
        nthread=cpu_count(),
    )


def _log_quality(booster: xgboost.Booster, matrix: numpy.ndarray, labels: numpy.ndarray, project: Project) -> None:
    """The metrics that SageMaker's MetricDefinitions look for: `validation-auc=0.7312`."""
    predictions = booster.inplace_predict(matrix, validate_features=False)
    for name, value in point_metrics(project.objective, labels, predictions).items():
        if numpy.isfinite(value):
            log_metric(f"validation-{name}", value)


def _save(container: Container, booster: xgboost.Booster, encoder: Encoder, code: Path) -> None:
    write_atomically(container.model / MODEL_FILE, booster.save_raw("ubj"))
    write_atomically(container.model / ENCODER_FILE, encoder.to_json().encode())
    copy_code(code, container.model / "code")
    log(f"saved {booster.num_boosted_rounds()} rounds to {container.model}")


if __name__ == "__main__":
    run_job(train)

"""Candidate and champion on the same held-out rows: `evaluation.json` and `baseline.json` of a processing job."""

from __future__ import annotations

import json
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy
import pyarrow
from pyarrow import compute

from .baseline import baseline, categorical_bins, numeric_bins
from .container import Container, JobError, log, log_metric
from .dataset import ARROW_TYPES, read_dataset
from .encoder import Encoder, class_codes, label_texts
from .foreign_model import ForeignModel
from .metrics import bootstrap, point_metrics, weighted_metrics
from .project import Project
from .report import write_report
from .split import days_of, held_out

EXPLAINED_ROWS = 500
MAXIMUM_SLICES = 100
CALIBRATION_BINS = 10


class Predictor(Protocol):
    """A trained model of any algorithm."""

    encoder: Encoder

    def predict(self, matrix: numpy.ndarray) -> numpy.ndarray:
        """(rows,) probability of class 1 or value; (rows, classes) probabilities."""
        ...

    def contributions(self, matrix: numpy.ndarray) -> numpy.ndarray:
        """Mean absolute SHAP value of each of the encoder's features over the rows, shape (features,)."""
        ...


@dataclass(frozen=True)
class _Scored:
    model: Predictor | ForeignModel
    rows: pyarrow.Table
    predictions: numpy.ndarray


def evaluate_job(container: Container, project: Project, load: Callable[[Path], Predictor]) -> None:
    """Reads the inputs dataset, candidate and champion (may be absent), writes evaluation.json, baseline.json, report.html.

    Raises JobError with what is wrong with an input.
    """
    table = read_dataset(container.processing_input / "dataset", project)
    with tempfile.TemporaryDirectory(prefix="models-") as unpacked:
        candidate = _unpack(container, "candidate", Path(unpacked))
        champion = _unpack(container, "champion", Path(unpacked))
        if candidate is None:
            raise JobError("got no input 'candidate', expected the model.tar.gz of the model to judge")
        judged = load(candidate)
        in_service = None if champion is None else _load_champion(champion, candidate, project, load)
        evaluation, bins = evaluate(table, project, judged, in_service)
    output = container.processing_output
    output.mkdir(parents=True, exist_ok=True)
    (output / "evaluation.json").write_text(json.dumps(evaluation, allow_nan=False))
    (output / "baseline.json").write_text(json.dumps(bins, allow_nan=False))
    (output / "report.html").write_text(write_report(project.name, evaluation, bins))
    for name, estimate in evaluation["candidate"]["metrics"].items():
        log_metric(f"candidate-{name}", estimate["value"])


def evaluate(
    table: pyarrow.Table, project: Project, candidate: Predictor, champion: Predictor | ForeignModel | None
) -> tuple[dict, dict]:
    """The contents of evaluation.json and baseline.json for a whole dataset version."""
    hidden = held_out(table, project)
    training = table.filter(pyarrow.array(~hidden))
    rows = table.filter(pyarrow.array(hidden))
    rows = rows.filter(compute.is_valid(rows[project.label.name]))
    if rows.num_rows == 0:
        raise JobError(
            f"got no held-out row with a label among {table.num_rows} rows, expected some; raise training.holdOut or upload more"
            + (" days" if project.hold_out_by_day else "")
        )
    models = [model for model in (candidate, champion) if model is not None]
    classes = _all_classes(rows, project, models)
    labels = _labels(rows, project, classes)
    scored = [_score(model, rows, classes) for model in models]
    measures = [weighted_metrics(project.objective, labels, model.predictions) for model in scored]
    days = _days(rows, project)
    estimates, difference = bootstrap(measures, rows.num_rows, project.seed, days)
    if project.gate_metric not in estimates[0]:
        raise JobError(
            f"metric '{project.gate_metric}' is undefined on {rows.num_rows} held-out rows, expected rows of every class; upload more"
        )
    log(f"scored {rows.num_rows} held-out rows; {training.num_rows} rows may be trained on")
    documents = [
        {"metrics": metrics, "calibration": _calibration(project, labels, model.predictions)}
        for metrics, model in zip(estimates, scored, strict=True)
    ]
    evaluation = {
        "schemaVersion": 1,
        "objective": project.objective,
        "intervalsOver": "rows" if days is None else "days",
        "rows": rows.num_rows,
        "trainingRows": training.num_rows,
        "candidate": documents[0],
        "champion": documents[1] if champion else None,
        "difference": difference,
        "slices": _slices(rows, project, labels, scored),
        "featureImportance": _importance(candidate, scored[0].rows),
    }
    return evaluation, baseline(training, project, _prediction_bins(project, scored[0], classes))


def _days(rows: pyarrow.Table, project: Project) -> numpy.ndarray | None:
    """The day of each row as a number from 0, shape (rows,), for a bootstrap over days; None where rows are held out one by
    one, or there is one day only.
    """
    if not project.hold_out_by_day:
        return None
    days, numbers = numpy.unique(days_of(rows, project), return_inverse=True)
    log(f"held out {len(days)} days")
    return numbers if len(days) > 1 else None


def _unpack(container: Container, name: str, target: Path) -> Path | None:
    """The folder with the files of an input's archive; None without one."""
    folder = container.processing_input / name
    archives = sorted(folder.rglob("*.tar.gz")) if folder.is_dir() else []
    if not archives:
        return None
    with tarfile.open(archives[0]) as archive:
        archive.extractall(target / name, filter="data")
    return target / name


def _load_champion(
    champion: Path, candidate: Path, project: Project, load: Callable[[Path], Predictor]
) -> Predictor | ForeignModel:
    """By the candidate's loader, if it finds the files that it found for the candidate: else the algorithm has changed."""
    needed = {file.name for file in candidate.iterdir() if file.is_file()}
    if all((champion / name).is_file() for name in needed):
        return load(champion)
    return ForeignModel(champion, project)


def _all_classes(rows: pyarrow.Table, project: Project, models: list[Predictor | ForeignModel]) -> tuple[str, ...]:
    """The candidate's classes, then those that only the champion or the rows know. Empty for regression."""
    if project.objective == "regression":
        return ()
    known = dict.fromkeys(name for model in models for name in model.encoder.label.classes)
    found = label_texts(rows[project.label.name], project.label.type).unique().to_pylist()
    known.update(dict.fromkeys(sorted(found)))
    if project.objective == "binary" and len(known) != 2:
        raise JobError(f"got the classes {', '.join(known)} of label '{project.label.name}', expected two for binary")
    return tuple(known)


def _labels(rows: pyarrow.Table, project: Project, classes: tuple[str, ...]) -> numpy.ndarray:
    values = rows[project.label.name]
    if not classes:
        return values.to_numpy()
    return class_codes(label_texts(values, project.label.type), classes)


def _score(model: Predictor | ForeignModel, rows: pyarrow.Table, classes: tuple[str, ...]) -> _Scored:
    for feature in model.encoder.features:
        if feature.name not in rows.column_names:
            log(f"a model reads column '{feature.name}', which the project no longer has: taken as missing")
            rows = rows.append_column(feature.name, pyarrow.nulls(rows.num_rows, ARROW_TYPES[feature.kind]))
    foreign = isinstance(model, ForeignModel)
    predictions = model.predict(rows if foreign else model.encoder.encode(rows))
    if predictions.ndim == 1 and model.encoder.label.classes != classes:
        predictions = 1 - predictions  # binary, trained when the classes had the other order
    if predictions.ndim == 2:
        # A class that this model has never seen has probability 0.
        places = [classes.index(name) for name in model.encoder.label.classes]
        spread = numpy.zeros((len(predictions), len(classes)), dtype=predictions.dtype)
        spread[:, places] = predictions
        predictions = spread
    return _Scored(model, rows, predictions)


def _calibration(project: Project, labels: numpy.ndarray, predictions: numpy.ndarray) -> list[dict]:
    """Mean predicted against mean observed by decile of the prediction; equal deciles are one."""
    if project.objective != "binary":
        return []
    shares = numpy.arange(1, CALIBRATION_BINS) / CALIBRATION_BINS
    edges = numpy.unique(numpy.quantile(predictions, shares))
    bins = numpy.searchsorted(edges, predictions, side="left")
    rows = numpy.bincount(bins, minlength=len(edges) + 1)
    predicted = numpy.bincount(bins, weights=predictions, minlength=len(rows))
    observed = numpy.bincount(bins, weights=labels, minlength=len(rows))
    return [
        {"predicted": float(predicted[i] / rows[i]), "observed": float(observed[i] / rows[i]), "rows": int(rows[i])}
        for i in numpy.flatnonzero(rows)
    ]


def _slices(rows: pyarrow.Table, project: Project, labels: numpy.ndarray, scored: list[_Scored]) -> list[dict]:
    """Metrics of every value of the gate's slice columns, the most frequent MAXIMUM_SLICES of each."""
    result = []
    for slice_ in project.slices:
        column = project.columns.get(slice_.column)
        if column is None or column.role == "ignore":
            raise JobError(
                f"got the slice column '{slice_.column}', expected a column of the project that is not ignored"
            )
        if column.pii:
            raise JobError(
                f"slice column '{slice_.column}' is personal data, which never appears in a report; remove it"
            )
        encoded = rows[slice_.column].combine_chunks().dictionary_encode(null_encoding="encode")
        if isinstance(encoded, pyarrow.ChunkedArray):
            encoded = encoded.unify_dictionaries().combine_chunks()
        codes = encoded.indices.to_numpy()
        counts = numpy.bincount(codes, minlength=len(encoded.dictionary))
        names = [_slice_name(value) for value in encoded.dictionary.to_pylist()]
        for code in numpy.argsort(-counts, kind="stable")[:MAXIMUM_SLICES]:
            inside = numpy.flatnonzero(codes == code)
            if not len(inside):
                continue
            metrics = [
                _finite(point_metrics(project.objective, labels[inside], model.predictions[inside])) for model in scored
            ]
            result.append(
                {
                    "column": slice_.column,
                    "value": names[code],
                    "rows": len(inside),
                    "candidate": metrics[0],
                    "champion": metrics[1] if len(metrics) > 1 else None,
                }
            )
    return result


def _slice_name(value: object) -> str:
    if value is None:
        return "(missing)"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _finite(metrics: dict[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items() if numpy.isfinite(value)}


def _importance(model: Predictor, rows: pyarrow.Table) -> list[dict]:
    """Over at most EXPLAINED_ROWS rows, evenly spaced: explaining costs far more than predicting."""
    step = max(1, -(-rows.num_rows // EXPLAINED_ROWS))
    shap = model.contributions(model.encoder.encode(rows.take(numpy.arange(0, rows.num_rows, step))))
    names = [feature.name for feature in model.encoder.features]
    return [
        {"feature": names[position], "meanAbsoluteShap": float(shap[position])}
        for position in numpy.argsort(-shap, kind="stable")
    ]


def _prediction_bins(project: Project, model: _Scored, classes: tuple[str, ...]) -> dict:
    if project.objective == "multiclass":
        chosen = pyarrow.array(classes).take(pyarrow.array(model.predictions.argmax(axis=1)))
        return categorical_bins("prediction", pyarrow.chunked_array([chosen]))
    return numeric_bins("prediction", model.predictions)

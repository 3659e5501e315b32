"""Metrics of predictions under row weights. A bootstrap replicate is a weight (how often it drew the row) per row, so
everything that needs sorting is sorted once, and a replicate costs a few passes over the rows.

Names are those of `metricNames` in lambdas/contract/settings.ts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy

MINIMIZED = frozenset({"logLoss", "brier", "rmse", "mae", "medianAbsoluteError"})
INTERVAL = (2.5, 97.5)
_SMALLEST_PROBABILITY = 1e-15
_BOOTSTRAP_CELLS, _MINIMUM_REPLICATES, _MAXIMUM_REPLICATES = 12_000_000, 200, 400

Metrics = dict[str, float]
WeightedMetrics = Callable[[numpy.ndarray], Metrics]


def weighted_metrics(objective: str, labels: numpy.ndarray, predictions: numpy.ndarray) -> WeightedMetrics:
    """A function from row weights, shape (rows,), float64, to all metrics of the objective; NaN where one is undefined.

    labels: (rows,) class codes or values. predictions: (rows,) probability of class 1, or value; (rows, classes)
    probabilities for multiclass.
    """
    makers = {"binary": _binary, "multiclass": _multiclass, "regression": _regression}
    return makers[objective](labels, predictions.astype(numpy.float64))


def point_metrics(objective: str, labels: numpy.ndarray, predictions: numpy.ndarray) -> Metrics:
    """All metrics with every row counted once."""
    return weighted_metrics(objective, labels, predictions)(numpy.ones(len(labels)))


def bootstrap(
    models: list[WeightedMetrics], rows: int, seed: int, groups: numpy.ndarray | None = None
) -> tuple[list[dict[str, dict[str, float]]], dict[str, dict[str, float]] | None]:
    """`{metric: {value, low, high}}` for each model, and for the first minus the second (None for one model).

    95 % percentile intervals over rows drawn with replacement; both models see the same draws, which makes the
    difference a paired one (Efron, Tibshirani: An Introduction to the Bootstrap, 1993, chapters 13 and 16).
    `groups`, (rows,) numbers from 0 without gaps: whole groups are drawn, since rows of a group err together and their
    intervals would be too narrow (Davison, Hinkley: Bootstrap Methods and their Application, 1997, section 3.8).
    Metrics that are undefined on these rows are left out.
    """
    generator = numpy.random.default_rng(seed)
    units = rows if groups is None else int(groups.max()) + 1
    replicates = int(numpy.clip(_BOOTSTRAP_CELLS // rows, _MINIMUM_REPLICATES, _MAXIMUM_REPLICATES))
    points = [model(numpy.ones(rows)) for model in models]
    names = [[name for name, value in point.items() if numpy.isfinite(value)] for point in points]
    draws = numpy.empty((replicates, len(models), max(len(point) for point in points)))
    for replicate in range(replicates):
        drawn = numpy.bincount(generator.integers(0, units, units, dtype=numpy.int32), minlength=units)
        weights = (drawn if groups is None else drawn[groups]).astype(numpy.float64)
        for position, model in enumerate(models):
            draws[replicate, position] = list(model(weights).values())
    order = list(points[0])
    estimates = [
        {name: _estimate(point[name], draws[:, position, order.index(name)]) for name in names[position]}
        for position, point in enumerate(points)
    ]
    if len(models) == 1:
        return estimates, None
    difference = {
        name: _estimate(
            points[0][name] - points[1][name], draws[:, 0, order.index(name)] - draws[:, 1, order.index(name)]
        )
        for name in names[0]
        if name in names[1]
    }
    return estimates, difference


def _estimate(value: float, draws: numpy.ndarray) -> dict[str, float]:
    low, high = numpy.nanpercentile(draws, INTERVAL)
    return {"value": float(value), "low": float(low), "high": float(high)}


def _binary(labels: numpy.ndarray, predictions: numpy.ndarray) -> WeightedMetrics:
    positive = labels == 1
    chosen = predictions >= 0.5
    likely = numpy.clip(predictions, _SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
    sums = numpy.stack(
        [
            numpy.ones(len(labels)),
            -numpy.log(numpy.where(positive, likely, 1 - likely)),
            (predictions - positive) ** 2,
            chosen == positive,
            chosen & positive,
            chosen,
            positive,
        ]
    ).astype(numpy.float64)
    ranking = _Ranking(positive, predictions)

    def measure(weights: numpy.ndarray) -> Metrics:
        total, log_loss, squares, right, true_positives, claimed, positives = _dot(sums, weights)
        auc, average_precision = ranking.measure(weights)
        precision = true_positives / claimed if claimed else 0.0
        recall = true_positives / positives if positives else numpy.nan
        return {
            "auc": auc,
            "averagePrecision": average_precision,
            "logLoss": log_loss / total,
            "brier": squares / total,
            "accuracy": right / total,
            "precision": precision,
            "recall": recall,
            "f1": 2 * true_positives / (claimed + positives) if claimed + positives else numpy.nan,
        }

    return measure


def _multiclass(labels: numpy.ndarray, predictions: numpy.ndarray) -> WeightedMetrics:
    classes = predictions.shape[1]
    codes = labels.astype(numpy.int64)
    chosen = predictions.argmax(axis=1)
    likely = numpy.clip(predictions[numpy.arange(len(codes)), codes], _SMALLEST_PROBABILITY, 1)
    log_losses = -numpy.log(likely)
    cells = codes * classes + chosen
    rankings = [_Ranking(codes == code, predictions[:, code]) for code in range(classes)]

    def measure(weights: numpy.ndarray) -> Metrics:
        confusion = numpy.bincount(cells, weights=weights, minlength=classes * classes).reshape(classes, classes)
        hits, actual, claimed = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
        present = (actual + claimed) > 0
        scores = [ranking.measure(weights)[0] for ranking in rankings]
        defined = [score for score in scores if not numpy.isnan(score)]
        total = weights.sum()
        return {
            "accuracy": hits.sum() / total,
            "logLoss": float(_dot(log_losses, weights)) / total,
            "macroF1": float(numpy.mean(2 * hits[present] / (actual + claimed)[present])),
            "macroAuc": float(numpy.mean(defined)) if defined else numpy.nan,
        }

    return measure


def _regression(labels: numpy.ndarray, predictions: numpy.ndarray) -> WeightedMetrics:
    labels = labels.astype(numpy.float64)
    centred = labels - labels.mean()  # or the variance cancels out for labels far from zero
    errors = numpy.abs(labels - predictions)
    order = numpy.argsort(errors)
    ranked = errors[order]
    sums = numpy.stack([numpy.ones(len(labels)), errors, errors**2, centred, centred**2])

    def measure(weights: numpy.ndarray) -> Metrics:
        total, absolute, squares, first, second = _dot(sums, weights)
        variance = second - first**2 / total
        running = numpy.cumsum(weights[order])
        low = ranked[numpy.searchsorted(running, total / 2, side="left")]
        high = ranked[min(numpy.searchsorted(running, total / 2, side="right"), len(ranked) - 1)]
        return {
            "rmse": numpy.sqrt(squares / total),
            "mae": absolute / total,
            "r2": 1 - squares / variance if variance > 0 else numpy.nan,
            "medianAbsoluteError": (low + high) / 2,
        }

    return measure


def _dot(values: numpy.ndarray, weights: numpy.ndarray) -> numpy.ndarray:
    """`values @ weights` in one thread: on a busy machine BLAS's waiting threads made it twenty times slower."""
    return numpy.einsum("...i,i->...", values, weights)


class _Ranking:
    """Area under the ROC curve and average precision of one score; rows with equal scores form one step."""

    def __init__(self, positive: numpy.ndarray, scores: numpy.ndarray):
        self._order = numpy.argsort(-scores, kind="stable")
        ranked = scores[self._order]
        self._steps = numpy.flatnonzero(numpy.append(ranked[1:] != ranked[:-1], True))
        self._positive = positive[self._order].astype(numpy.float64)

    def measure(self, weights: numpy.ndarray) -> tuple[float, float]:
        """(auc, average precision); NaN when a class has no weight."""
        ranked = weights[self._order]
        all_rows = numpy.cumsum(ranked)[self._steps]
        hits = numpy.cumsum(ranked * self._positive)[self._steps]
        positives, negatives = hits[-1], all_rows[-1] - hits[-1]
        if positives == 0 or negatives == 0:
            return numpy.nan, numpy.nan
        new_hits = numpy.diff(hits, prepend=0)
        new_misses = numpy.diff(all_rows, prepend=0) - new_hits
        area = float(_dot(new_misses, hits - new_hits / 2)) / (positives * negatives)
        # Steps before the first drawn row have no rows at all: their precision is 0 / 0 and counts for nothing.
        average = float(_dot(new_hits, hits / numpy.maximum(all_rows, 1e-12))) / positives
        return area, average

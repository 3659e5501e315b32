"""Metrics against their definitions, written out by hand on small samples."""

from __future__ import annotations

from common.metrics import bootstrap, point_metrics, weighted_metrics

import numpy
import pytest

RANDOM = numpy.random.default_rng(3)


def sample(rows=200):
    """Labels and scores with many equal scores."""
    labels = (RANDOM.random(rows) < 0.4).astype(numpy.float32)
    scores = numpy.clip(numpy.round(labels * 0.2 + RANDOM.random(rows) * 0.8, 1), 0.05, 0.95).astype(numpy.float32)
    return labels, scores


def test_auc_is_the_share_of_pairs_in_the_right_order():
    labels, scores = sample()
    positives, negatives = scores[labels == 1], scores[labels == 0]
    above = (positives[:, None] > negatives).mean() + (positives[:, None] == negatives).mean() / 2
    assert point_metrics("binary", labels, scores)["auc"] == pytest.approx(above)


def test_average_precision_and_thresholded_metrics():
    labels, scores = sample()
    metrics = point_metrics("binary", labels, scores)
    average, before = 0.0, 0.0
    for threshold in sorted(set(scores.tolist()), reverse=True):
        chosen = scores >= threshold
        recall = (labels[chosen] == 1).sum() / (labels == 1).sum()
        average += (recall - before) * (labels[chosen] == 1).mean()
        before = recall
    chosen = scores >= 0.5
    assert metrics["averagePrecision"] == pytest.approx(average)
    assert metrics["precision"] == pytest.approx((labels[chosen] == 1).mean())
    assert metrics["recall"] == pytest.approx(chosen[labels == 1].mean())
    assert metrics["f1"] == pytest.approx(
        2 * metrics["precision"] * metrics["recall"] / (metrics["precision"] + metrics["recall"])
    )
    assert metrics["brier"] == pytest.approx(((scores - labels) ** 2).mean())
    assert metrics["logLoss"] == pytest.approx(
        -numpy.log(numpy.where(labels == 1, scores, 1 - scores.astype(float))).mean(), rel=1e-6
    )


@pytest.mark.parametrize("objective", ["binary", "multiclass", "regression"])
def test_a_weight_is_a_number_of_copies(objective):
    rows = 60
    if objective == "multiclass":
        labels = RANDOM.integers(0, 3, rows).astype(numpy.float32)
        predictions = RANDOM.dirichlet([1, 1, 1], rows).astype(numpy.float32)
    else:
        labels, predictions = sample(rows)
    copies = RANDOM.integers(0, 4, rows)
    repeated = numpy.repeat(numpy.arange(rows), copies)
    weighted = weighted_metrics(objective, labels, predictions)(copies.astype(float))
    expected = point_metrics(objective, labels[repeated], predictions[repeated])
    for name, value in expected.items():
        assert weighted[name] == pytest.approx(value, rel=1e-6), name


def test_regression_metrics():
    labels = RANDOM.normal(1e6, 3, 101)
    predictions = labels + RANDOM.normal(0, 1, 101)
    errors = predictions - labels
    metrics = point_metrics("regression", labels, predictions)
    assert metrics["rmse"] == pytest.approx(numpy.sqrt((errors**2).mean()))
    assert metrics["mae"] == pytest.approx(numpy.abs(errors).mean())
    assert metrics["medianAbsoluteError"] == pytest.approx(numpy.median(numpy.abs(errors)))
    assert metrics["r2"] == pytest.approx(1 - (errors**2).sum() / ((labels - labels.mean()) ** 2).sum())


def test_one_class_leaves_auc_undefined_and_out_of_the_result():
    labels, scores = numpy.ones(50), RANDOM.random(50)
    estimates, _ = bootstrap([weighted_metrics("binary", labels, scores)], 50, 1)
    assert "auc" not in estimates[0]
    assert "logLoss" in estimates[0]


def test_intervals_cover_the_truth_as_often_as_they_say():
    """The mean absolute error of uniform errors is 0.5; 95 % of 120 intervals should hold it, at the least 85 %."""
    covered = 0
    for seed in range(120):
        errors = numpy.random.default_rng(seed).random(300)
        estimates, _ = bootstrap([weighted_metrics("regression", numpy.zeros(300), errors)], 300, seed)
        covered += estimates[0]["mae"]["low"] <= 0.5 <= estimates[0]["mae"]["high"]
    assert 0.85 * 120 <= covered < 120


def test_the_difference_is_paired():
    labels, scores = sample(2000)
    better = numpy.clip(scores + (labels - 0.5) * 0.02, 0, 1)
    models = [weighted_metrics("binary", labels, values) for values in (better, scores)]
    estimates, difference = bootstrap(models, 2000, 1)
    assert difference["logLoss"]["value"] == pytest.approx(
        estimates[0]["logLoss"]["value"] - estimates[1]["logLoss"]["value"]
    )
    width = difference["logLoss"]["high"] - difference["logLoss"]["low"]
    assert difference["logLoss"]["high"] < 0
    assert width < (estimates[0]["logLoss"]["high"] - estimates[0]["logLoss"]["low"]) / 3
    same = bootstrap([models[0], models[0]], 2000, 1)[1]
    assert all(entry == {"value": 0, "low": 0, "high": 0} for entry in same.values())


def test_intervals_over_groups_are_as_wide_as_the_groups_differ():
    """40 groups of 50 rows that err alike are 40 observations, not 2,000."""
    generator = numpy.random.default_rng(8)
    groups = numpy.repeat(numpy.arange(40), 50)
    errors = generator.normal(size=40)[groups] + generator.normal(scale=0.1, size=2000)
    model = weighted_metrics("regression", numpy.zeros(2000), errors)
    widths = []
    for over in (None, groups):
        interval = bootstrap([model], 2000, 5, over)[0][0]["mae"]
        widths.append(interval["high"] - interval["low"])
    assert widths[1] / widths[0] == pytest.approx(numpy.sqrt(50), rel=0.35)


def test_draws_over_groups_take_groups_whole():
    seen = []
    groups = numpy.array([0, 1, 1, 2, 2, 2])

    def model(weights):
        seen.append(weights)
        return {"mae": float(weights.sum())}

    bootstrap([model], 6, 1, groups)
    for weights in seen:
        assert all(len(set(weights[groups == group])) == 1 for group in range(3))
    assert len({tuple(weights) for weights in seen}) > 3

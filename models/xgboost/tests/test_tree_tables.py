"""Predictions from tables against XGBoost's own, for boosters of every kind that the tables take."""

from __future__ import annotations

import numpy
import pytest
import tree_tables
import xgboost
from tree_tables import TreeTables

KINDS = ["q", "q", "c", "c", "q"]
CODES = [3, 30]


def rows_of(count: int, seed: int) -> numpy.ndarray:
    """Numbers, two categories and a column of few values, with missing ones everywhere."""
    random = numpy.random.default_rng(seed)
    rows = numpy.empty((count, len(KINDS)), dtype=numpy.float32)
    rows[:, :2] = random.normal(size=(count, 2)) * [1, 1e6]
    rows[:, 2:4] = random.integers(0, CODES, (count, 2))
    rows[:, 4] = random.integers(-2, 3, count)
    rows[random.random(rows.shape) < 0.1] = numpy.nan
    return rows


def trained(objective: str, rounds: int = 30, **parameters: object) -> xgboost.Booster:
    rows = rows_of(3000, seed=1)
    filled = numpy.nan_to_num(rows)
    value = filled[:, 0] * (filled[:, 3] % 5) + filled[:, 2] + (filled[:, 1] > 0) * filled[:, 4]
    labels = {
        "binary:logistic": value > 1,
        "multi:softprob": numpy.digitize(value, [-1, 2]),
        "count:poisson": numpy.abs(value),
    }.get(objective, value)
    data = xgboost.DMatrix(rows, labels, feature_types=KINDS, enable_categorical=True)
    extra = {"num_class": 3} if objective.startswith("multi") else {}
    return xgboost.train({"objective": objective, "seed": 3, **extra, **parameters}, data, num_boost_round=rounds)


TAKEN = [
    ("binary:logistic", {}),
    ("binary:logistic", {"num_parallel_tree": 3, "subsample": 0.5, "colsample_bynode": 0.6}),
    ("binary:logistic", {"base_score": 0.2, "max_depth": 1}),
    ("binary:logistic", {"max_cat_to_onehot": 40}),
    ("binary:logistic", {"grow_policy": "lossguide", "max_leaves": 64, "max_depth": 0}),
    ("multi:softprob", {}),
    ("multi:softprob", {"num_parallel_tree": 2, "subsample": 0.7}),
    ("reg:squarederror", {"base_score": -3}),
    ("reg:absoluteerror", {}),
]


@pytest.mark.parametrize(("objective", "parameters"), TAKEN)
def test_predictions_are_those_of_xgboost(objective, parameters):
    booster = trained(objective, **parameters)
    tables = TreeTables.of(booster)
    assert tables is not None
    rows = rows_of(2000, seed=2)
    rows[:40, 3] = numpy.arange(40)  # codes that no training row had
    rows[40:80, 0] = 3.4e38
    points = [float(line.split("<")[1].split("]")[0]) for line in booster.get_dump()[0].split("\n") if "[f0<" in line]
    rows[80 : 80 + len(points), 0] = points  # a value on a split point goes right
    expected = booster.inplace_predict(rows, validate_features=False)
    predicted = tables.predict(rows)
    assert predicted.shape == expected.shape
    assert predicted.dtype == numpy.float32
    numpy.testing.assert_allclose(predicted, expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("objective", ["binary:logistic", "multi:softprob"])
def test_a_row_has_the_same_prediction_in_every_batch(objective):
    tables = TreeTables.of(trained(objective))
    rows = rows_of(1500, seed=4)
    whole = tables.predict(rows)
    for start, size in ((0, 1), (7, 1), (1499, 1), (3, 64), (100, 700), (1000, 500)):
        assert (tables.predict(rows[start : start + size]) == whole[start : start + size]).all()


LEFT_TO_XGBOOST = [
    ("binary:logistic", {"gamma": 1e9}),  # not one split
    ("binary:logistic", {"max_depth": 9}),  # more than 64 leaves
    ("binary:logistic", {"booster": "dart", "rate_drop": 0.3}),
    ("count:poisson", {}),
]


@pytest.mark.parametrize(("objective", "parameters"), LEFT_TO_XGBOOST)
def test_what_tables_cannot_hold(objective, parameters):
    assert TreeTables.of(trained(objective, **parameters)) is None


def test_too_many_columns_or_bytes(monkeypatch):
    booster = trained("binary:logistic")
    monkeypatch.setattr(tree_tables, "MAXIMUM_COLUMNS", 4)
    assert TreeTables.of(booster) is None
    monkeypatch.undo()
    monkeypatch.setattr(tree_tables, "MAXIMUM_BYTES", 10_000)
    assert TreeTables.of(booster) is None


def test_tables_that_differ_from_xgboost_are_not_used(monkeypatch, capsys):
    booster = trained("reg:squarederror", rounds=5)
    # As if a later version of XGBoost kept its intercept in another form.
    monkeypatch.setattr(tree_tables, "_intercept", lambda _score, outputs, _link: numpy.full(outputs, 0.5))
    assert TreeTables.of(booster) is None
    assert "predictions from tables differ" in capsys.readouterr().out

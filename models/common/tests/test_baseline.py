"""Baseline bins: counts add up, edges ascend, and each value lies in the bin that its edges say."""

from __future__ import annotations

from common.baseline import MAXIMUM_VALUES, categorical_bins, numeric_bins

import numpy
import pyarrow
import pytest


@pytest.mark.parametrize("seed", range(20))
def test_numeric_bins(seed):
    random = numpy.random.default_rng(seed)
    values = random.choice([random.normal(size=300), random.integers(0, 4, 300).astype(float), numpy.zeros(300)])
    values[random.random(300) < 0.2] = numpy.nan
    bins = numeric_bins("x", values)
    edges = numpy.array(bins["edges"])
    assert (numpy.diff(edges) > 0).all()
    assert len(bins["counts"]) == len(edges) + 1
    assert sum(bins["counts"]) + bins["missing"] == 300
    limits = numpy.concatenate([[-numpy.inf], edges, [numpy.inf]])
    for low, high, count in zip(limits[:-1], limits[1:], bins["counts"], strict=True):
        assert ((values > low) & (values <= high)).sum() == count


def test_a_column_without_values_has_one_empty_bin():
    assert numeric_bins("x", numpy.full(5, numpy.nan)) == {
        "name": "x", "kind": "numeric", "edges": [], "counts": [0], "missing": 5,
    }  # fmt: skip


def test_categorical_bins_keep_the_most_frequent_values():
    texts = [f"v{number:02d}" for number in range(30) for _ in range(number + 1)] + [None] * 4
    bins = categorical_bins("x", pyarrow.chunked_array([texts[:200], texts[200:]]))
    assert bins["values"] == [f"v{number:02d}" for number in range(29, 29 - MAXIMUM_VALUES, -1)]
    assert bins["counts"] == list(range(30, 10, -1))
    assert bins["other"] == sum(range(1, 11))
    assert bins["missing"] == 4

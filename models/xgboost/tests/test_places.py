"""Places among split points against a binary search, for points that are crowded, far apart, or one alone."""

from __future__ import annotations

import numpy
import pytest
from places import Column, Places

LARGEST = numpy.finfo(numpy.float32).max
SMALLEST = numpy.finfo(numpy.float32).smallest_subnormal

POINTS = {
    "one alone": [0.5],
    "zero": [0.0],
    "even": numpy.linspace(-3, 3, 200),
    "uneven": numpy.random.default_rng(1).normal(size=250),
    "crowded at one end": [*numpy.linspace(0, 1e-3, 50), 1e6],
    "neighbours": [1.0, numpy.nextafter(numpy.float32(1), numpy.float32(2))],
    "as far apart as can be": [-LARGEST, 0, LARGEST],
    "as near as can be": [0, SMALLEST],
    "above zero by little": [1e-40, 2e-40, 3e-40],
}


def values_around(points: numpy.ndarray) -> numpy.ndarray:
    """Points, their neighbours, what lies between and beyond, missing ones."""
    with numpy.errstate(over="ignore"):
        up, down = (numpy.nextafter(points, numpy.float32(to)) for to in ("inf", "-inf"))
    random = numpy.random.default_rng(0)
    between = random.uniform(-4, 4, 300).astype(numpy.float32)
    return numpy.concatenate(
        [points, up, down, between, numpy.float32([0, -0.0, LARGEST, -LARGEST, numpy.nan, numpy.inf, -numpy.inf])]
    )


@pytest.mark.parametrize("name", POINTS)
def test_places_are_those_of_a_binary_search(name):
    # Among other columns, as in a model: each looks into its own buckets.
    names = [name, *(other for other in POINTS if other != name)]
    columns = [Column.of_numbers(number, POINTS[column]) for number, column in enumerate(names)]
    values = values_around(columns[0].points)
    matrix = numpy.tile(values[:, None], len(columns))
    places = Places(columns).of(matrix)
    for column, found in zip(columns, places, strict=True):
        expected = numpy.searchsorted(numpy.append(column.points, numpy.float32("nan")), values, side="right")
        assert found.tolist() == expected.tolist()


def test_a_matrix_of_more_columns_than_the_trees_use_and_of_one_row():
    columns = [Column.of_numbers(3, [1, 2]), Column.of_numbers(1, [0])]
    matrix = numpy.float32([[9, -1, 9, 1.5, 9]])
    assert Places(columns).of(matrix).tolist() == [[1], [0]]


def test_categories_have_a_place_each_up_to_the_largest_that_a_split_names():
    column = Column.of_categories(0, largest=2)
    matrix = numpy.float32([[0], [1], [2], [3], [40], [numpy.nan]])
    assert Places([column]).of(matrix).tolist() == [[0, 1, 2, 3, 3, 4]]
    assert column.lines == 5

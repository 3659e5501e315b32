"""Where values stand among the split points of their columns, for all columns of a request at once.

A binary search looks at eight points of two hundred, each time at one that the processor could not foresee. Here a
value's bucket, out of BUCKETS of equal width between a column's first and last point, says how many points are in the
buckets before; it is compared with those in its own bucket only, as a rule one. Exact whatever the rounding: buckets of
points and of values are computed alike, and never fall as values rise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy

BUCKETS = 4096
# Points in a bucket from which a binary search takes less time.
CROWDED = 4


class Column:
    """A column of the matrix and its split points, ascending: a value's place is the number of points up to it, that of a
    missing value is one more than all points. Categories are cut between their codes: the places of the codes that a
    split names, one for all others, one for missing.
    """

    def __init__(self, number: int, points: numpy.ndarray, categorical: bool):
        self.number = number
        self.points = points.astype(numpy.float32)
        self.lines = len(points) + 2
        self._categorical = categorical

    @classmethod
    def of_numbers(cls, number: int, points: Sequence[float]) -> Column:
        return cls(number, numpy.unique(numpy.asarray(points, dtype=numpy.float32)), categorical=False)

    @classmethod
    def of_categories(cls, number: int, largest: int) -> Column:
        """`largest` is the highest code that a split names."""
        return cls(number, numpy.arange(1, largest + 2), categorical=True)

    def probes(self, random: numpy.random.Generator, count: int) -> numpy.ndarray:
        """Values that meet every kind of place: points and what is beside them, categories, missing."""
        if self._categorical:
            values = numpy.arange(self.lines - 1, dtype=numpy.float32)
        else:
            values = numpy.concatenate([self.points, numpy.nextafter(self.points, numpy.float32("-inf"))])
        return random.choice(numpy.append(values, numpy.float32("nan")), count)


class Places:
    """The places of some columns."""

    def __init__(self, columns: Sequence[Column]):
        self._numbers = [column.number for column in columns]
        self._missing = numpy.array([[column.lines - 1] for column in columns])
        first = numpy.array([[column.points[0]] for column in columns])
        last = numpy.array([[column.points[-1]] for column in columns])
        with numpy.errstate(divide="ignore", over="ignore"):
            scale = numpy.float32(BUCKETS - 1) / (last - first)
        # One point alone, points too near or too far for a scale: all values in one bucket.
        one = ~numpy.isfinite(scale) | (scale == 0)
        self._first, self._last, self._scale = (
            numpy.where(one, numpy.float32(0), each) for each in (first, last, scale)
        )
        # The columns' points in one array, with NaN, which no value reaches, behind each column's.
        width = max(len(column.points) for column in columns) + 1
        self._starts = numpy.arange(len(columns))[:, None] * width
        points = numpy.full((len(columns), width), numpy.nan, dtype=numpy.float32)
        before = numpy.empty((len(columns), BUCKETS), dtype=numpy.int64)
        crowds = []
        for row, column in enumerate(columns):
            points[row, : len(column.points)] = column.points
            buckets = self._buckets(numpy.broadcast_to(column.points, (len(columns), len(column.points))))[row]
            counts = numpy.bincount(buckets - row * BUCKETS, minlength=BUCKETS)
            before[row] = numpy.cumsum(counts) - counts + self._starts[row]
            crowds.append(counts.max())
        self._points, self._before = points.ravel(), before.ravel()
        self._crowded = [(row, columns[row].points) for row, crowd in enumerate(crowds) if crowd > CROWDED]
        self._compared = max((crowd for crowd in crowds if crowd <= CROWDED), default=0)

    def of(self, matrix: numpy.ndarray) -> numpy.ndarray:
        """Shape (columns, rows), from a float32 matrix of shape (rows, width)."""
        values = numpy.ascontiguousarray(matrix.T[self._numbers])
        places = self._before.take(self._buckets(values))
        for _ in range(self._compared):
            places += values >= self._points.take(places)
        places -= self._starts
        for row, points in self._crowded:
            places[row] = numpy.searchsorted(points, values[row], side="right")
        missing = numpy.isnan(values)
        if missing.any():
            numpy.copyto(places, self._missing, where=missing)
        return places

    def _buckets(self, values: numpy.ndarray) -> numpy.ndarray:
        """Positions in the columns' buckets, one column's after the other's; some bucket for NaN."""
        inside = numpy.fmin(numpy.fmax(values, self._first), self._last)
        inside -= self._first
        inside *= self._scale
        return inside.astype(numpy.int64) + numpy.arange(len(values))[:, None] * BUCKETS

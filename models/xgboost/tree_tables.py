"""Trees as tables: predictions for requests by a few passes of numpy instead of a walk from node to node.

A tree of up to 64 leaves is a 64-bit word of the leaves that a row can still reach. A split rules leaves out, and which
ones follows from the row's value alone; so each column has a table with a line for every interval between its split
points (every category, and missing) that holds, for each tree, what is left after all splits on that column. The one bit
that the AND of a row's lines has is its leaf: every split rules out all leaves on one of its sides. The words are those of
QuickScorer (Lucchese et al.: QuickScorer: a Fast Algorithm to Rank Documents with Additive Ensembles of Regression Trees,
SIGIR 2015); there they are built row by row, here they are looked up.

Columns of few lines (booleans, small categories) share a table with a line for each combination of theirs.

Leaf values are added in float64, where XGBoost adds float32: predictions differ in the seventh digit. What the tables
cannot hold, or not with a gain, is left to XGBoost.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from common.container import log

import numpy
import xgboost
from places import Column, Places

MAXIMUM_LEAVES = 64
# Beyond, walking the trees takes less time than looking up every column.
MAXIMUM_COLUMNS = 48
MAXIMUM_BYTES = 128 << 20
# Lines up to which columns share a table.
SHARED_LINES = 512
# Words of a part of the rows, twice: what fits into a core's cache.
_PART_BYTES = 640 << 10
_ALL = (1 << MAXIMUM_LEAVES) - 1
_PROBES = 64
# A de Bruijn sequence: multiplied by a power of two, its highest six bits are different for each of the 64 (Leiserson,
# Prokop, Randall: Using de Bruijn Sequences to Index a 1 in a Computer Word, 1998). Leaf values lie in that order.
_SEQUENCE = 0x03F79D71B4CB0A89
_SHIFT = 58
_PLACE_OF_BIT = [(_SEQUENCE << bit & _ALL) >> _SHIFT for bit in range(MAXIMUM_LEAVES)]


def _logistic(margins: numpy.ndarray) -> numpy.ndarray:
    return 1 / (1 + numpy.exp(-margins[:, 0]))


def _softmax(margins: numpy.ndarray) -> numpy.ndarray:
    likely = numpy.exp(margins - margins.max(axis=1, keepdims=True))
    return likely / likely.sum(axis=1, keepdims=True)


def _value(margins: numpy.ndarray) -> numpy.ndarray:
    return margins[:, 0]


# Margins, (rows, outputs), to what XGBoost predicts for an objective.
_LINKS: dict[str, Callable[[numpy.ndarray], numpy.ndarray]] = {
    "binary:logistic": _logistic,
    "multi:softprob": _softmax,
    "reg:squarederror": _value,
    "reg:absoluteerror": _value,
    "reg:pseudohubererror": _value,
}


@dataclass(frozen=True)
class Split:
    """A node: `lower` are the leaves of its left child, `upper` of its right one. To the right go values from `point` on,
    or the `categories`; missing values go left if `missing_left`. `tree` is the tree's place in the tables.
    """

    tree: int
    point: float
    categories: frozenset[int] | None
    missing_left: bool
    lower: int
    upper: int


class TreeTables:
    """A booster's trees, its intercept, and the way from margins to predictions."""

    def __init__(
        self,
        tables: Sequence[Table],
        leaves: numpy.ndarray,
        intercept: numpy.ndarray,
        link: Callable[[numpy.ndarray], numpy.ndarray],
    ):
        """`leaves` (trees, 64), all trees of the first output first, equally many for each; `intercept` (outputs,)."""
        self._tables = tables
        self._columns = [column for table in tables for column in table.columns]
        self._places = Places(self._columns)
        self._leaves = leaves.ravel()
        self._intercept = intercept
        self._link = link
        trees = len(leaves)
        self._first_leaf = numpy.arange(trees, dtype=numpy.uint64) * MAXIMUM_LEAVES
        self._part_rows = max(_PART_BYTES // (2 * trees * 8), 8)

    @classmethod
    def of(cls, booster: xgboost.Booster) -> TreeTables | None:
        """None for a booster that tables cannot hold, or not with a gain: larger trees, many columns, other kinds of
        boosters and objectives.
        """
        settings = json.loads(booster.save_config())["learner"]
        link = _LINKS.get(settings["objective"]["name"])
        if link is None or settings["gradient_booster"]["name"] != "gbtree":
            return None
        model = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]
        trees = model["trees"]
        if not trees or any(int(tree["tree_param"]["size_leaf_vector"]) > 1 for tree in trees):
            return None
        if max(tree["left_children"].count(-1) for tree in trees) > MAXIMUM_LEAVES:
            return None
        outputs, counts = numpy.unique(model["tree_info"], return_counts=True)
        if len(set(counts.tolist())) > 1:
            return None
        leaves = numpy.zeros((len(trees), MAXIMUM_LEAVES))
        words = numpy.empty(len(trees), dtype=numpy.uint64)
        splits: dict[int, list[Split]] = {}
        for place, number in enumerate(numpy.argsort(model["tree_info"], kind="stable")):
            words[place] = _read_tree(place, trees[number], splits, leaves[place])
        columns = {number: _column(number, found) for number, found in sorted(splits.items())}
        lines = sum(column.lines for column in columns.values())
        if not 0 < len(columns) <= MAXIMUM_COLUMNS or lines * len(trees) * 8 > MAXIMUM_BYTES:
            return None
        intercept = _intercept(settings["learner_model_param"]["base_score"], len(outputs), link)
        tables = _shared([Table.of(column, splits[number], words) for number, column in columns.items()])
        predictor = cls(tables, leaves, intercept, link)
        return predictor if predictor._agrees_with(booster) else None

    def predict(self, matrix: numpy.ndarray) -> numpy.ndarray:
        """As `Booster.inplace_predict`: (rows,), or (rows, classes), float32, from the encoder's float32 matrix."""
        return self._link(self._margins(matrix) + self._intercept).astype(numpy.float32)

    def _agrees_with(self, booster: xgboost.Booster) -> bool:
        """Looks at rows around the split points: a new version of XGBoost may mean something else by what was read here."""
        random = numpy.random.default_rng(0)
        rows = numpy.zeros((_PROBES, booster.num_features()), dtype=numpy.float32)
        for column in self._columns:
            rows[:, column.number] = column.probes(random, _PROBES)
        predicted = self.predict(rows)
        apart = numpy.abs(predicted - booster.inplace_predict(rows, validate_features=False))
        if apart.max() <= 1e-4 * max(1, numpy.abs(predicted).max()):
            return True
        log(
            "predictions from tables differ from XGBoost's, which are used: tell the maintainers the version of XGBoost"
        )
        return False

    def _margins(self, matrix: numpy.ndarray) -> numpy.ndarray:
        """Sums of leaf values, (rows, outputs) float64."""
        rows, trees, outputs = len(matrix), len(self._first_leaf), len(self._intercept)
        places = iter(self._places.of(matrix))
        (first, *others) = [(table.lines, table.line_of_places(places)) for table in self._tables]
        result = numpy.empty((rows, outputs))
        size = min(self._part_rows, rows)
        buffers = numpy.empty((2, size, trees), dtype=numpy.uint64)
        for start in range(0, rows, size):
            part = slice(start, min(start + size, rows))
            words, other = buffers[:, : part.stop - start]
            # clip: without it numpy copies its output once more; no place is out of range.
            first[0].take(first[1][part], axis=0, out=words, mode="clip")
            for lines, line in others:
                lines.take(line[part], axis=0, out=other, mode="clip")
                words &= other
            words *= _SEQUENCE
            words >>= _SHIFT
            words += self._first_leaf
            values = self._leaves.take(words.view(numpy.int64), mode="clip")
            # Added row by row, not by a matrix product: a row's prediction is the same in every batch.
            values.reshape(len(words), outputs, -1).sum(axis=2, out=result[part])
        return result


@dataclass(frozen=True)
class Table:
    """What the values of some columns leave of each tree's leaves: (lines, trees) uint64. The last column's lines follow
    one another.
    """

    columns: tuple[Column, ...]
    lines: numpy.ndarray

    @classmethod
    def of(cls, column: Column, splits: Sequence[Split], words: numpy.ndarray) -> Table:
        """`words` are all leaves of each tree, (trees,)."""
        lines = numpy.tile(words, (column.lines, 1))
        for split in splits:
            if split.categories is None:
                place = numpy.searchsorted(column.points, numpy.float32(split.point))
                lines[: place + 1, split.tree] &= _without(split.upper)
                lines[place + 1 :, split.tree] &= _without(split.lower)
            else:
                left = numpy.full(column.lines, _without(split.upper))
                left[list(split.categories)] = _without(split.lower)
                lines[:, split.tree] &= left
        lines[-1] = words
        for split in splits:
            lines[-1, split.tree] &= _without(split.upper if split.missing_left else split.lower)
        return cls((column,), lines)

    def joined(self, other: Table) -> Table:
        """One table for the columns of both."""
        lines = self.lines[:, None] & other.lines[None]
        return Table(self.columns + other.columns, lines.reshape(-1, lines.shape[2]))

    def line_of_places(self, places: Iterator[numpy.ndarray]) -> numpy.ndarray:
        """The line of each row, (rows,); takes the next `places` for its columns."""
        line = next(places)
        for column in self.columns[1:]:
            line = line * column.lines + next(places)
        return line


def _column(number: int, splits: Sequence[Split]) -> Column:
    if splits[0].categories is None:
        return Column.of_numbers(number, [split.point for split in splits])
    return Column.of_categories(number, max(max(split.categories, default=0) for split in splits))


def _shared(tables: Sequence[Table]) -> list[Table]:
    """Joins the two smallest tables as long as they stay small."""
    tables = sorted(tables, key=lambda table: len(table.lines))
    while len(tables) > 1 and len(tables[0].lines) * len(tables[1].lines) <= SHARED_LINES:
        tables = sorted([tables[0].joined(tables[1]), *tables[2:]], key=lambda table: len(table.lines))
    return tables


def _intercept(base_score: str, outputs: int, link: Callable) -> numpy.ndarray:
    """XGBoost keeps it as a prediction, one for all outputs or one each: `[5E-1]`."""
    scores = numpy.atleast_1d(json.loads(base_score)).astype(numpy.float64)
    if link is _logistic:
        scores = numpy.array([math.log(score / (1 - score)) for score in scores])
    return numpy.broadcast_to(scores, outputs)


def _read_tree(place: int, tree: dict, splits: dict[int, list[Split]], leaves: numpy.ndarray) -> int:
    """The word of all leaves, a bit each from left to right. Adds the splits by column and fills in the leaf values."""
    left, right = tree["left_children"], tree["right_children"]
    columns, points, missing_left = tree["split_indices"], tree["split_conditions"], tree["default_left"]
    segments = zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True)
    categories = {node: frozenset(tree["categories"][start : start + size]) for node, start, size in segments}
    count = 0

    def reachable(node: int) -> int:
        nonlocal count
        if left[node] == -1:
            leaves[_PLACE_OF_BIT[count]] = points[node]
            count += 1
            return 1 << (count - 1)
        lower, upper = reachable(left[node]), reachable(right[node])
        split = Split(place, points[node], categories.get(node), bool(missing_left[node]), lower, upper)
        splits.setdefault(columns[node], []).append(split)
        return lower | upper

    return reachable(0)


def _without(leaves: int) -> numpy.uint64:
    return numpy.uint64(_ALL & ~leaves)

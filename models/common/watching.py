"""Which training rows early stopping looks at: rows of weeks or days that the model does not learn from, where the project
has a time column, else rows drawn one by one.

Rows near in time share what is no lesson for others (weather, news). A row watched among learned ones of its time tells
that a model has learned that time by heart as success, and training goes on for too long. So whole blocks are watched, the
longer the better as long as there are enough to draw from: the weather of a day is still that of the next. Flights, AUC of
the four months after the training months: XGBoost @XGB@; the network @NET@.
Roberts et al.: Cross-validation strategies for data with temporal, spatial, hierarchical, or phylogenetic structure,
Ecography 2017.
"""

from __future__ import annotations

from collections import Counter

import numpy
import pyarrow

from .container import log
from .project import Project
from .split import days_of, drawn_by_row, hashes_of_numbers

MINIMUM_ROWS = 50
# Days of a block, the best first.
BLOCKS = {7: "weeks", 1: "days"}
# With fewer blocks, those that are drawn say too little about the others.
MINIMUM_BLOCKS = 10
# Blocks are no equal parts of the rows: those that are drawn may be so many times the wanted share.
MAXIMUM_EXCESS = 2
_A_MONDAY = 4  # days since 1970


class Watching:
    """The choice for one training run. `rows_of_blocks`: how many rows its blocks have, None when rows are drawn."""

    def __init__(self, project: Project, share: float, rows_by_day: Counter[int]):
        """`share` of the rows; `rows_by_day` as `count_days` has it, over all training rows."""
        self._project = project
        self._share = share
        self._blocks, self._days = _choose(share, rows_by_day)
        self.rows_of_blocks = None
        if self._blocks is not None:
            blocks = _sums(rows_by_day, self._days)
            self.rows_of_blocks = sum(blocks[block] for block in self._blocks.tolist())

    @classmethod
    def of(cls, rows: pyarrow.Table, project: Project, share: float) -> Watching:
        """For training rows that are all in memory."""
        return cls(project, share, count_days(rows, project))

    def among(self, rows: pyarrow.Table) -> numpy.ndarray:
        """True for the rows to watch, shape (rows,), bool."""
        if self._blocks is None:
            return drawn_by_row(rows, self._project, self._share)
        return numpy.isin(_block_of(days_of(rows, self._project), self._days), self._blocks)


def enough_to_watch(watched: int, rows: int) -> bool:
    """Whether so many of the training rows say when to stop; logs it when they are too few, and all are trained on."""
    if watched < MINIMUM_ROWS:
        log(f"{watched} validation rows are too few to stop early: trained on all {rows} rows")
    return watched >= MINIMUM_ROWS


def count_days(rows: pyarrow.Table, project: Project) -> Counter[int]:
    """Rows of each day in UTC (rows without a time are a day of their own); empty without a time column. Counts of parts can
    be added.
    """
    days = days_of(rows, project)
    if days is None:
        return Counter()
    found, counts = numpy.unique(days, return_counts=True)
    return Counter(dict(zip(found.tolist(), counts.tolist(), strict=True)))


def _choose(share: float, rows_by_day: Counter[int]) -> tuple[numpy.ndarray | None, int]:
    """(the blocks to watch, None when rows are to be drawn; days of a block)"""
    for days, name in BLOCKS.items() if share > 0 else ():
        rows_by_block = _sums(rows_by_day, days)
        blocks = _draw(share, rows_by_block)
        if blocks is not None:
            log(f"watching {len(blocks)} of {len(rows_by_block)} {name}")
            return blocks, days
    return None, 1


def _sums(rows_by_day: Counter[int], days: int) -> Counter[int]:
    """Rows of each block of so many days."""
    result: Counter[int] = Counter()
    blocks = _block_of(numpy.array(list(rows_by_day), dtype=numpy.int64), days)
    for block, rows in zip(blocks.tolist(), rows_by_day.values(), strict=True):
        result[block] += rows
    return result


def _block_of(day: numpy.ndarray, days: int) -> numpy.ndarray:
    """The first day of the block of so many days that each day is in; weeks begin on Monday."""
    return day - (day - _A_MONDAY) % days


def _draw(share: float, rows_by_block: Counter[int]) -> numpy.ndarray | None:
    """Blocks in the order of their hashes until they have the share of the rows; None when blocks are no good measure."""
    blocks = numpy.array(sorted(rows_by_block), dtype=numpy.int64)
    if len(blocks) < MINIMUM_BLOCKS:
        return None
    blocks = blocks[numpy.argsort(hashes_of_numbers(blocks), kind="stable")]
    together = numpy.cumsum([rows_by_block[block] for block in blocks.tolist()]) / rows_by_block.total()
    count = int(numpy.searchsorted(together, share)) + 1
    return blocks[:count] if together[count - 1] <= MAXIMUM_EXCESS * share else None

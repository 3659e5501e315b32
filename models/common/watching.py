"""Which training rows early stopping looks at: rows of weeks or days that the model does not learn from, where the project
has a time column, else rows drawn one by one.

Rows near in time share what is no lesson for others (weather, news). A row watched among learned ones of its time tells
that a model has learned that time by heart as success, and training goes on for too long. So whole blocks are watched, the
longer the better as long as there are enough to draw from: the weather of a day is still that of the next. Flights, AUC of
the four months after the training months: XGBoost 0.898 after 473 rounds when rows were watched, 0.905 after 114 when days
were; the network 0.901 after 13 epochs when days were, 0.905 after 5 when weeks were.
Roberts et al.: Cross-validation strategies for data with temporal, spatial, hierarchical, or phylogenetic structure,
Ecography 2017.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy
import pyarrow

from .container import log
from .project import Project
from .split import days_of, drawn_by_row, hashes_of_numbers

MINIMUM_ROWS = 50


@dataclass(frozen=True)
class Block:
    """So many days in a row. With fewer blocks than `minimum` those that are drawn say too little about the others."""

    days: int
    name: str
    minimum: int


WEEKS, DAYS = Block(7, "weeks", minimum=20), Block(1, "days", minimum=10)
BLOCKS = (WEEKS, DAYS)  # the best first
# Blocks are no equal parts of the rows: those that are drawn may be so many times the wanted share.
MAXIMUM_EXCESS = 2
_A_MONDAY = 4  # days since 1970


class Watching:
    """The choice for one training run. `rows_of_blocks`: how many rows its blocks have, None when rows are drawn."""

    def __init__(self, project: Project, share: float, rows_by_day: Counter[int]):
        """`share` of the rows; `rows_by_day` as `count_days` has it, over all training rows."""
        self._project = project
        self._share = share
        self._kind, self._drawn, self.rows_of_blocks = _choose(share, rows_by_day)

    @classmethod
    def of(cls, rows: pyarrow.Table, project: Project, share: float) -> Watching:
        """For training rows that are all in memory."""
        return cls(project, share, count_days(rows, project))

    def among(self, rows: pyarrow.Table) -> numpy.ndarray:
        """True for the rows to watch, shape (rows,), bool."""
        if self._drawn is None:
            return drawn_by_row(rows, self._project, self._share)
        return numpy.isin(_block_of(days_of(rows, self._project), self._kind), self._drawn)


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


def _choose(share: float, rows_by_day: Counter[int]) -> tuple[Block, numpy.ndarray | None, int | None]:
    """(kind of block, the blocks to watch, their rows); None and None when rows are to be drawn."""
    for kind in BLOCKS if share > 0 else ():
        rows_by_block = _sums(rows_by_day, kind)
        drawn = _draw(share, rows_by_block) if len(rows_by_block) >= kind.minimum else None
        if drawn is not None:
            log(f"watching {len(drawn)} of {len(rows_by_block)} {kind.name}")
            return kind, drawn, sum(rows_by_block[block] for block in drawn.tolist())
    return DAYS, None, None


def _sums(rows_by_day: Counter[int], kind: Block) -> Counter[int]:
    """Rows of each block."""
    result: Counter[int] = Counter()
    blocks = _block_of(numpy.array(list(rows_by_day), dtype=numpy.int64), kind)
    for block, rows in zip(blocks.tolist(), rows_by_day.values(), strict=True):
        result[block] += rows
    return result


def _block_of(day: numpy.ndarray, kind: Block) -> numpy.ndarray:
    """The first day of the block that each day is in; weeks begin on Monday."""
    return day - (day - _A_MONDAY) % kind.days


def _draw(share: float, rows_by_block: Counter[int]) -> numpy.ndarray | None:
    """Blocks in the order of their hashes until they have the share of the rows; None when they have far more."""
    blocks = numpy.array(sorted(rows_by_block), dtype=numpy.int64)
    blocks = blocks[numpy.argsort(hashes_of_numbers(blocks), kind="stable")]
    together = numpy.cumsum([rows_by_block[block] for block in blocks.tolist()]) / rows_by_block.total()
    count = int(numpy.searchsorted(together, share)) + 1
    return blocks[:count] if together[count - 1] <= MAXIMUM_EXCESS * share else None

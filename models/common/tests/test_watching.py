"""Early stopping looks at whole weeks or days where there are enough of them."""

from __future__ import annotations

from collections import Counter

from common.project import parse_project
from common.watching import DAYS, WEEKS, Watching, count_days
from conftest import column, settings

import numpy
import pyarrow
import pytest

DAY = 86_400_000_000


def project_with(time_column: dict | None = None):
    columns = {"id": column("integer", "id"), "x": column("number"), "y": column("boolean", "label")}
    return parse_project(settings(columns | ({"at": time_column} if time_column else {})))


PROJECT = project_with(column("timestamp", "time", nullable=True))


def rows_of(days: list[int | None]) -> pyarrow.Table:
    moments = [None if day is None else day * DAY + place % DAY for place, day in enumerate(days)]
    return pyarrow.table(
        {
            "id": pyarrow.array(range(len(days)), pyarrow.float64()),
            "x": numpy.zeros(len(days)),
            "y": [True] * len(days),
            "at": pyarrow.array(moments, pyarrow.int64()),
        }
    )


def watched_days(days: list[int | None], share: float = 0.1) -> tuple[set, set, float]:
    """(days that are watched, days that are learned, share of rows watched)"""
    watched = Watching.of(rows_of(days), PROJECT, share).among(rows_of(days))
    marked = list(zip(days, watched.tolist(), strict=True))
    return {day for day, mark in marked if mark}, {day for day, mark in marked if not mark}, float(watched.mean())


@pytest.mark.parametrize("count", [DAYS.minimum, 28, 60])
def test_days_are_watched_whole_and_have_the_share(count):
    days = [day for day in range(-5, count - 5) for _ in range(20)]
    watched, learned, share = watched_days(days)
    assert watched
    assert not watched & learned
    assert 0.1 <= share <= 0.1 + 1 / count


@pytest.mark.parametrize("weeks", [WEEKS.minimum, 35, 200])
def test_weeks_are_watched_whole_where_there_are_enough(weeks):
    monday = int(numpy.datetime64("2026-01-05", "D").astype(int))
    days = [day for day in range(monday, monday + 7 * weeks) for _ in range(3)]
    watched, learned, share = watched_days(days)
    assert not watched & learned
    assert {day - (day - monday) % 7 + weekday for day in watched for weekday in range(7)} == watched
    assert 0.1 <= share <= 0.1 + 1 / weeks


def test_days_are_watched_where_weeks_are_too_few():
    days = [day for day in range(7 * (WEEKS.minimum - 2)) for _ in range(3)]
    watched, learned, _ = watched_days(days)
    assert {day + 1 for day in watched} & learned


def test_the_choice_does_not_depend_on_order_or_number_of_rows():
    days = [day for day in range(100) for _ in range(5)]
    assert watched_days(days)[:2] == watched_days(days[::-1] + days)[:2]


@pytest.mark.parametrize(
    "days",
    [
        [day for day in range(DAYS.minimum - 1) for _ in range(500)],  # too few
        [0] * 4000 + list(range(40)) * 25,  # one day is most of the rows, and is drawn or not
    ],
)
def test_rows_are_drawn_when_days_are_no_good_measure(days):
    watched, _, share = watched_days(days)
    assert share == pytest.approx(0.1, abs=0.02)
    assert watched <= set(days)


def test_rows_without_a_time_are_a_day_of_their_own():
    days = [day for day in range(60) for _ in range(10)] + [None] * 10
    watched, learned, _ = watched_days(days)
    assert not watched & learned


def test_without_a_time_column_rows_are_drawn():
    for project in (project_with(), project_with(column("integer", "time"))):
        rows = rows_of(list(range(1000)))
        assert count_days(rows, project) == Counter()
        assert Watching.of(rows, project, 0.1).among(rows).mean() == pytest.approx(0.1, abs=0.04)


def test_a_share_of_nothing_watches_nothing():
    rows = rows_of(list(range(100)))
    assert not Watching.of(rows, PROJECT, 0).among(rows).any()


def test_parts_agree_with_the_whole():
    rows = rows_of([day for day in range(50) for _ in range(7)])
    parts = [rows.slice(start, 50) for start in range(0, rows.num_rows, 50)]
    counts = sum((count_days(part, PROJECT) for part in parts), Counter())
    by_parts = Watching(PROJECT, 0.2, counts)
    whole = Watching.of(rows, PROJECT, 0.2)
    assert by_parts.rows_of_blocks == whole.rows_of_blocks == int(whole.among(rows).sum())
    assert (numpy.concatenate([by_parts.among(part) for part in parts]) == whole.among(rows)).all()

"""Which rows are held out is a property of the row alone."""

from __future__ import annotations

from common.container import JobError
from common.dataset import read_dataset
from common.project import parse_project
from common.split import drawn_by_row, held_out
from common.watching import Watching
from conftest import column

import numpy
import pytest
from samples import FORMATS, as_csv, project_settings, random_rows


def table_of(folder, project, *contents):
    folder.mkdir()
    for number, content in enumerate(contents):
        (folder / (f"{number}" * 64)).write_bytes(content)
    return read_dataset(folder, project)


def hidden_ids(table, project):
    return {row for row, hidden in zip(table["id"].to_pylist(), held_out(table, project), strict=True) if hidden}


@pytest.mark.parametrize("with_id", [True, False])
def test_order_files_formats_and_more_rows_change_nothing(tmp_path, with_id):
    settings = project_settings()
    if not with_id:
        settings["data"]["columns"]["id"] = column("integer", "time")
    project = parse_project(settings)
    rows = random_rows(300, 1)
    expected = hidden_ids(table_of(tmp_path / "one", project, as_csv(rows)), project)
    assert 30 < len(expected) < 90
    reordered = table_of(tmp_path / "two", project, as_csv(rows[200:][::-1]), as_csv(rows[:200]))
    assert hidden_ids(reordered, project) == expected
    grown = table_of(tmp_path / "more", project, as_csv(random_rows(200, 2) + rows))
    assert {row for row in hidden_ids(grown, project) if row in {r["id"] for r in rows}} == expected
    for form, (render, name) in FORMATS.items():
        settings["data"]["format"] = name
        assert hidden_ids(table_of(tmp_path / form, parse_project(settings), render(rows)), project) == expected
    settings["data"]["format"] = "csv"


@pytest.mark.parametrize("kind", ["integer", "category"])
def test_shares_are_right_and_the_two_splits_are_independent(tmp_path, kind):
    settings = project_settings(hold_out=0.2)
    settings["data"]["columns"] = {"id": column(kind, "id"), "x": column("number"), "y": column("number", "label")}
    project = parse_project(settings)
    lines = "\n".join(f"{number},0,0" for number in range(20000))
    table = table_of(tmp_path / "channel", project, f"id,x,y\n{lines}\n".encode())
    hidden, watched = held_out(table, project), drawn_by_row(table, project, 0.1)
    assert hidden.mean() == pytest.approx(0.2, abs=0.012)  # four standard deviations
    assert watched[~hidden].mean() == pytest.approx(0.1, abs=0.01)
    assert watched[hidden].mean() == pytest.approx(0.1, abs=0.02)
    neighbours = numpy.mean(hidden[1:] & hidden[:-1])
    assert neighbours == pytest.approx(0.04, abs=0.006)


DAY = 86_400_000_000


def project_with_days(share=0.2):
    columns = {"id": column("integer", "id"), "at": column("timestamp", "time", nullable=True)}
    settings = project_settings(hold_out=share)
    settings["data"]["columns"] = columns | {"x": column("number"), "y": column("number", "label")}
    settings["training"]["holdOutBy"] = "day"
    return parse_project(settings)


def rows_of_days(days):
    import pyarrow

    moments = [None if day is None else day * DAY + place * 1_000_000 for place, day in enumerate(days)]
    ones = [1.0] * len(days)
    return pyarrow.table({"id": range(len(days)), "at": pyarrow.array(moments, pyarrow.int64()), "x": ones, "y": ones})


def test_by_day_a_day_is_held_out_whole_in_every_version():
    project = project_with_days()
    days = [day for day in range(-400, 600) for _ in range(3)]
    hidden = held_out(rows_of_days(days), project)
    out = {day for day, mark in zip(days, hidden.tolist(), strict=True) if mark}
    assert not out & {day for day, mark in zip(days, hidden.tolist(), strict=True) if not mark}
    assert len(out) / 1000 == pytest.approx(0.2, abs=0.05)  # four standard deviations
    some = days[1500:][::-1]
    again = held_out(rows_of_days(some), project)
    assert {day for day, mark in zip(some, again.tolist(), strict=True) if mark} == {day for day in out if day >= 100}
    watched = Watching.of(rows_of_days(days), project, 0.1).among(rows_of_days(days))
    assert watched[hidden].mean() == pytest.approx(0.1, abs=0.08)


def test_by_day_rows_without_a_time_are_held_out_one_by_one():
    hidden = held_out(rows_of_days([None] * 2000), project_with_days())
    assert hidden.mean() == pytest.approx(0.2, abs=0.04)


def test_by_day_without_a_time_column_is_refused():
    settings = project_settings()
    settings["training"]["holdOutBy"] = "day"
    settings["data"]["columns"] = {"x": column("number"), "y": column("number", "label")}
    with pytest.raises(JobError, match="holdOutBy 'day' without a time column"):
        parse_project(settings)


def test_the_split_is_fixed_for_good():
    """A changed hash would let new models train on rows that old ones were judged on."""
    import pyarrow

    settings = project_settings(hold_out=0.3)
    settings["data"]["columns"] = {
        "a": column("category", "id"),
        "b": column("number", "id"),
        "y": column("number", "label"),
    }
    project = parse_project(settings)
    table = pyarrow.table(
        {"a": ["", "x", "été", None] * 4, "b": [float(number) for number in range(16)], "y": [0.0] * 16}
    )
    assert "".join("1" if hidden else "0" for hidden in held_out(table, project)) == "0000000110111000"
    by_day = held_out(rows_of_days(range(16000, 16040)), project_with_days(0.3))
    assert "".join("1" if hidden else "0" for hidden in by_day) == "1100100101000110000101000101000100000000"

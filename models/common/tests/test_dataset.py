"""Reading dataset files: every format gives the same table; bad rows are named, counted, and never silently dropped."""

from __future__ import annotations

import json

from common.container import JobError
from common.dataset import read_dataset
from common.project import parse_project
from common.values import parse_timestamp
from conftest import column

import pytest
from samples import FORMATS, as_csv, project_settings, random_rows


def write(folder, *contents):
    folder.mkdir(exist_ok=True)
    for number, content in enumerate(contents):
        (folder / (f"{number}" * 64)).write_bytes(content)
    return folder


def test_every_format_gives_the_same_table(tmp_path):
    rows = random_rows(200, 1)
    tables = []
    for form, (render, name) in FORMATS.items():
        folder = write(tmp_path / form, render(rows[:120]), render(rows[120:]))
        tables.append(read_dataset(folder, parse_project(project_settings(format=name))))
    for table in tables[1:]:
        assert table.combine_chunks().equals(tables[0].combine_chunks())
    assert tables[0].num_rows == 200


BAD = [
    ("distance", "abc", "column 'distance': wrong type, expected number"),
    ("distance", "nan", "column 'distance': wrong type, expected number"),
    ("distance", "inf", "column 'distance': wrong type, expected number"),
    ("hour", "7.5", "column 'hour': wrong type, expected integer"),
    ("hour", "24", "column 'hour': above the maximum 23"),
    ("hour", "-1", "column 'hour': below the minimum 0"),
    ("hour", None, "column 'hour': missing, but not nullable"),
    ("holiday", "maybe", "column 'holiday': wrong type, expected boolean"),
    ("when", "yesterday", "column 'when': wrong type, expected timestamp"),
]


@pytest.mark.parametrize(("name", "value", "reason"), BAD)
def test_a_bad_row_is_dropped_with_its_place_when_tolerated_and_refused_when_not(tmp_path, capsys, name, value, reason):
    rows = random_rows(50, 2)
    rows[17] = {**rows[17], name: value}
    folder = write(tmp_path / "channel", as_csv(rows))
    table = read_dataset(folder, parse_project(project_settings(bad=0.02)))
    output = capsys.readouterr().out
    assert table.num_rows == 49
    assert rows[17]["id"] not in table["id"].to_pylist()
    assert "left out 1 bad of 50 rows" in output
    assert f"row 18: {reason}" in output
    with pytest.raises(JobError, match="got 1 bad of 50 rows") as refused:
        read_dataset(folder, parse_project(project_settings(bad=0.019)))
    assert reason in str(refused.value)


def test_rows_with_the_wrong_number_of_fields_do_not_shift_the_numbers_of_others(tmp_path, capsys):
    rows = random_rows(30, 3)
    rows = [{**row, "carrier": "AA"} for row in rows]  # no line ends inside of fields
    rows[20]["hour"] = 99
    lines = as_csv(rows).split(b"\n")
    lines[6] += b",surplus"
    lines[11] = b"1,2"
    folder = write(tmp_path / "channel", b"\n".join(lines))
    table = read_dataset(folder, parse_project(project_settings(bad=0.2)))
    output = capsys.readouterr().out
    assert table.num_rows == 27
    for place in ("row 6: 10 fields, expected 9", "row 11: 2 fields, expected 9", "row 21: column 'hour': above"):
        assert place in output


def test_bad_json_lines_are_named(tmp_path, capsys):
    rows = random_rows(20, 4)
    lines = [json.dumps(row) for row in rows]
    lines[3] = "{broken"
    lines[5] = "[1, 2]"
    lines[7] = json.dumps({**rows[7], "distance": "12"})
    folder = write(tmp_path / "channel", "\n".join(lines).encode())
    table = read_dataset(folder, parse_project(project_settings(format="jsonl", bad=0.5)))
    output = capsys.readouterr().out
    assert table["id"].to_pylist() == [row["id"] for number, row in enumerate(rows) if number not in (3, 5, 7)]
    for place in ("row 4: no JSON object", "row 6: no JSON object", "row 8: column 'distance': wrong type"):
        assert place in output


def test_a_line_that_is_null_is_a_bad_row(tmp_path, capsys):
    """Arrow takes it for a row without values, and, where all lines are so, ends the process with a segmentation fault."""
    columns = {"x": column("number", nullable=True), "y": column("number", "label", nullable=True)}
    settings = project_settings(format="jsonl", bad=0.5)
    settings["data"]["columns"] = columns
    project = parse_project(settings)
    lines = b'{"x": 1, "y": 2}\n null \n{"x": null, "y": 3}\nnull'
    table = read_dataset(write(tmp_path / "some", lines), project)
    assert table["y"].to_pylist() == [2, 3]
    assert "row 2: no JSON object; object" in capsys.readouterr().out
    with pytest.raises(JobError, match="got 2 bad of 2 rows"):
        read_dataset(write(tmp_path / "all", b"null\nnull\n"), project)


def test_no_value_of_a_row_reaches_the_log(tmp_path, capsys):
    rows = random_rows(20, 5)
    rows[0] = {**rows[0], "distance": "secret@example.com"}
    read_dataset(write(tmp_path / "channel", as_csv(rows)), parse_project(project_settings(bad=0.5)))
    assert "@" not in capsys.readouterr().out


def test_what_cannot_be_read_is_said(tmp_path):
    project = parse_project(project_settings())
    with pytest.raises(JobError, match="got no file"):
        read_dataset(write(tmp_path / "empty"), project)
    with pytest.raises(JobError, match="cannot be read as csv"):
        read_dataset(write(tmp_path / "half", FORMATS["csv.gz"][0](random_rows(50, 6))[:-20]), project)
    with pytest.raises(JobError, match="has no column 'hour'"):
        read_dataset(write(tmp_path / "other", b"id,late\n1,true\n"), project)


@pytest.mark.parametrize(
    "text", ["2013-01-31T05:06:07Z", "2013-01-31 05:06Z", "2013-01-31T05Z", "2013-01-31T05:06:07.123456Z"]
)
def test_times_that_all_end_in_z_are_what_single_ones_are(tmp_path, text):
    project = parse_project(project_settings())
    rows = [{**row, "when": text} for row in random_rows(5, 7)]
    table = read_dataset(write(tmp_path / "channel", as_csv(rows)), project)
    assert set(table["when"].to_pylist()) == {parse_timestamp(text)}
    rows = [{**row, "when": text + "Z"} for row in rows]
    with pytest.raises(JobError, match="wrong type, expected timestamp"):
        read_dataset(write(tmp_path / "other", as_csv(rows)), project)

"""Training, evaluation and inference see the same numbers, bit for bit, whatever way the rows came."""

from __future__ import annotations

import json
import random

from common import wire
from common.container import JobError
from common.dataset import read_dataset
from common.encoder import MINIMUM_CATEGORY_ROWS, Encoder, Feature, Label
from common.payload import RequestReader
from common.project import parse_project
from common.values import from_json
from common.wire import BadRequest, number_texts
from conftest import settings

import numpy
import pytest
from samples import COLUMNS, FORMATS, as_csv, as_json_lines, project_settings, random_rows


def read(tmp_path, rows, form="csv", **changes):
    write, name = FORMATS[form]
    folder = tmp_path / f"channel-{random.randrange(1 << 60)}"
    folder.mkdir()
    (folder / ("a" * 64)).write_bytes(write(rows))
    project = parse_project(project_settings(format=name, **changes))
    return read_dataset(folder, project), project


@pytest.fixture
def fitted(tmp_path):
    table, project = read(tmp_path, random_rows(400, seed=1))
    return Encoder.fit(table, project), project


@pytest.fixture(params=["orjson", "the standard library"])
def parser(request, monkeypatch):
    """AWS's images come without orjson."""
    if request.param != "orjson":
        monkeypatch.setattr(wire, "orjson", None)


def instances(rows):
    names = [name for name, column in COLUMNS.items() if column["role"] == "feature"]
    return [{name: row[name] for name in names} for row in rows]


def by_columns(rows):
    return json.dumps({"inputs": {name: [row[name] for row in rows] for name in rows[0]}}).encode()


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("seed", range(2, 22))
def test_training_evaluation_and_inference_agree(tmp_path, fitted, seed):
    encoder, project = fitted
    rows = random_rows(60, seed, unseen=True)
    random.Random(seed).shuffle(rows)
    saved = Encoder.from_json(encoder.to_json())
    reader = RequestReader(saved, project)
    from_table = encoder.encode(read(tmp_path, rows)[0]).tobytes()
    for form in FORMATS:
        assert saved.encode(read(tmp_path, rows, form)[0]).tobytes() == from_table, form
    body = json.dumps({"instances": instances(rows)}).encode()
    assert reader.read(body, "application/json").tobytes() == from_table
    assert reader.read(by_columns(instances(rows)), "application/json").tobytes() == from_table
    assert reader.read(as_json_lines(instances(rows)), "application/jsonlines").tobytes() == from_table
    assert reader.read(as_csv(instances(rows)), "text/csv; charset=utf-8").tobytes() == from_table
    one_by_one = [reader.read(json.dumps({"instances": [row]}).encode(), "application/json") for row in instances(rows)]
    assert numpy.concatenate(one_by_one).tobytes() == from_table


def test_rows_do_not_depend_on_their_neighbours(tmp_path, fitted):
    encoder, _ = fitted
    rows = random_rows(80, 30, unseen=True)
    order = list(range(80))
    random.Random(0).shuffle(order)
    plain = encoder.encode(read(tmp_path, rows)[0])
    shuffled = encoder.encode(read(tmp_path, [rows[place] for place in order])[0])
    assert shuffled.tobytes() == plain[order].tobytes()


def test_fit_does_not_depend_on_the_order_of_rows(tmp_path):
    rows = random_rows(300, 31)
    table, project = read(tmp_path, rows)
    other, _ = read(tmp_path, rows[::-1])
    assert Encoder.fit(table, project).to_json() == Encoder.fit(other, project).to_json()


def test_rare_and_unseen_values_share_one_code_and_missing_has_none(tmp_path):
    rows = random_rows(100, 32)
    for number, row in enumerate(rows):
        row["carrier"] = "often" if number >= MINIMUM_CATEGORY_ROWS - 1 else "rare"
    rows[-1]["carrier"] = None
    table, project = read(tmp_path, rows)
    encoder = Encoder.fit(table, project)
    assert encoder.codes["carrier"] == {"often": 0.0}
    place = encoder.columns.index("carrier")
    rows[0]["carrier"] = "never seen"
    codes = encoder.encode(read(tmp_path, rows)[0])[:, place]
    assert codes[0] == codes[1] == 1
    assert codes[20] == 0
    assert numpy.isnan(codes[-1])


def test_personal_data_and_ignored_columns_are_no_features(fitted):
    encoder, _ = fitted
    assert not any(name.startswith(("email", "note", "id", "late")) for name in encoder.columns)
    assert "example.com" not in encoder.to_json()


def test_values_beyond_float32_stay_finite(tmp_path, fitted):
    encoder, _ = fitted
    rows = random_rows(20, 33)
    for row in rows:
        row["distance"] = -1.7e308
    matrix = encoder.encode(read(tmp_path, rows)[0])
    assert numpy.isfinite(matrix[:, encoder.columns.index("distance")]).all()


def test_time_parts_are_the_calendars(tmp_path, fitted):
    encoder, _ = fitted
    rows = random_rows(10, 34)
    rows[0]["when"] = "2024-02-29T23:30:00-01:00"  # 2024-03-01 00:30 in UTC, a Friday, the 61st day of a leap year
    start = encoder.columns.index("when.days")
    parts = encoder.encode(read(tmp_path, rows)[0])[0, start : start + 4]
    assert parts.tolist() == [19783, 61, 5, 30]


def test_one_class_is_refused_in_words(tmp_path):
    rows = [{**row, "late": True} for row in random_rows(30, 35)]
    table, project = read(tmp_path, rows)
    with pytest.raises(JobError, match=r"got 1 classes of label 'late'.*expected two"):
        Encoder.fit(table, project)


SAME_CSV = [
    b"hour,distance,carrier\n1,2.5,UA\n3,,\n",
    b"\xef\xbb\xbfhour,distance,carrier\n1,2.5,UA\n3,,",
    b"hour,distance,carrier\r\n1,2.5,UA\r\n3,,\r\n",
    b"hour,distance,carrier\n1,2.5,UA\n3,,\n\n\n",
    b"hour,distance,carrier\n\n1,2.5,UA\n\n3,,\n",
    b'hour,distance,carrier\n1,2.5,"UA"\n3,,\n',
    b"hour,distance,carrier\n+1, 2.50 ,UA\n03,,\n",
    b"hour,distance,carrier\n1.0,25e-1,UA\n3e0,,\n",
]


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("body", SAME_CSV)
def test_csv_has_many_ways_to_say_the_same(fitted, body):
    encoder, project = fitted
    rows = [{"hour": 1, "distance": 2.5, "carrier": "UA"}, {"hour": 3}]
    reader = RequestReader(encoder, project)
    same = reader.read(json.dumps({"instances": rows}).encode(), "application/json")
    assert reader.read(body, "text/csv").tobytes() == same.tobytes()


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("hours", [[1, 2, 3], [1, 0, 0.0], [1.0, 2e1, 10**17], [1, None, 0]])
@pytest.mark.parametrize("distances", [[0.5, None, 1], [None, None, None], [True, 1, 2], [10**400, 1, 2]])
def test_numbers_together_and_one_by_one_are_the_same(fitted, hours, distances):
    encoder, project = fitted
    reader = RequestReader(encoder, project)
    rows = [{"hour": hour, "distance": distance} for hour, distance in zip(hours, distances, strict=True)]

    def answers(send):
        try:
            return send().tobytes()
        except BadRequest as error:
            return str(error).partition("column")[2]

    whole = answers(lambda: reader.read(by_columns(rows), "application/json"))
    # The values as Python has them, each looked at by itself.
    columns = {"hour": hours, "distance": distances}
    by_value = answers(
        lambda: encoder.encode_arrays(
            3,
            lambda feature: (
                reader._by_value(feature, columns[feature.name], from_json)
                if feature.name in columns
                else numpy.full((2, 3) if feature.kind == "text" else 3, numpy.nan)
            ),
        )
    )
    assert whole == by_value


def test_a_project_without_a_number():
    project = parse_project(settings({"colour": COLUMNS["carrier"], "late": COLUMNS["late"]}))
    encoder = Encoder([Feature("colour", "category", False, ("red",))], Label("late", "boolean", ("false", "true")))
    matrix = RequestReader(encoder, project).read(b'{"inputs": {"colour": ["red", "blue"]}}', "application/json")
    assert matrix.tolist() == [[0], [1]]


@pytest.mark.usefixtures("parser")
def test_minus_nothing_is_nothing(fitted):
    encoder, project = fitted
    reader = RequestReader(encoder, project)
    zero = reader.read(b'{"instances": [{"hour": 0, "distance": 0}]}', "application/json").tobytes()
    for text in (b"-0", b"-0.0", b"-.0", b"-0e3"):
        assert reader.read(b"hour,distance\n0," + text, "text/csv").tobytes() == zero
    for number in (b"-0", b"-0.0"):
        assert (
            reader.read(b'{"inputs": {"hour": [0], "distance": [' + number + b"]}}", "application/json").tobytes()
            == zero
        )


WRONG = [
    ({"distance": "5"}, "row 2, column 'distance': expected a finite number, got JSON string"),
    ({"distance": True}, "row 2, column 'distance': expected a finite number, got JSON boolean"),
    ({"distance": [1]}, "row 2, column 'distance': expected a finite number, got JSON array"),
    ({"hour": 5.5}, "row 2, column 'hour': expected an integer"),
    ({"hour": None}, "row 2, column 'hour': missing, but not nullable"),
    ({"carrier": {}}, "row 2, column 'carrier': expected a text, got JSON object"),
    ({"holiday": 1}, "row 2, column 'holiday': expected true or false, got JSON number"),
    ({"when": "soon"}, "row 2, column 'when': expected an ISO 8601 time"),
    ({"when": "2013-02-30"}, "row 2, column 'when': expected an ISO 8601 time"),
    ({"typo": 1}, "row 2, column 'typo': the project has no such column"),
]


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(("change", "message"), WRONG)
def test_a_wrong_value_is_named_by_row_and_column(fitted, change, message):
    encoder, project = fitted
    reader = RequestReader(encoder, project)
    rows = instances(random_rows(3, 36))
    rows[1] = {**rows[1], **change}
    with pytest.raises(BadRequest) as refused:
        reader.read(json.dumps({"instances": rows}).encode(), "application/json")
    assert refused.value.status_code == 400
    assert message in str(refused.value)


BODIES = [
    (b"", "application/json", "no valid JSON"),
    (b"[1]", "application/json", '{"instances"'),
    (b'{"instances": []}', "application/json", "got no row"),
    (b'{"instances": [1]}', "application/json", "row 1: expected a JSON object"),
    (b'{"instances": [{"hour": NaN}]}', "application/json", "no valid JSON"),
    (b'{"instances": [{"hour": 1e999}]}', "application/json", "column 'hour'"),
    (b'{"instances": [{"hour": ' + b"9" * 400 + b"}]}", "application/json", "column 'hour'"),
    (b'{"instances": [{}]}', "application/json", "row 1, column 'hour': missing"),
    (b'{"instances": [{"hour": 1}], "inputs": {"hour": [1]}}', "application/json", '"instances"'),
    (b'{"inputs": [[1]]}', "application/json", '"inputs"'),
    (b'{"inputs": {}}', "application/json", "got no column"),
    (b'{"inputs": {"hour": []}}', "application/json", "got no row"),
    (b'{"inputs": {"hour": 1}}', "application/json", "column 'hour': expected a list of values"),
    (b'{"inputs": {"hour": "12"}}', "application/json", "column 'hour': expected a list of values"),
    (
        b'{"inputs": {"hour": [1, 2], "distance": [1]}}',
        "application/json",
        "'distance': 1 values, expected 2 as in 'hour'",
    ),
    (b'{"inputs": {"hour": [1, null]}}', "application/json", "row 2, column 'hour': missing, but not nullable"),
    (
        b'{"inputs": {"hour": [1, true]}}',
        "application/json",
        "row 2, column 'hour': expected an integer, got JSON boolean",
    ),
    (
        b'{"inputs": {"hour": [1, [2]]}}',
        "application/json",
        "row 2, column 'hour': expected an integer, got JSON array",
    ),
    (b'{"inputs": {"distance": [1]}}', "application/json", "column 'hour': missing, but not nullable"),
    (b'{"inputs": {"hour": [1], "typo": [1]}}', "application/json", "column 'typo': the project has no such column"),
    (b'{"hour": 1}\n{"hour": \n', "application/jsonlines", "row 2: no valid JSON"),
    (b"hour,distance\n1,2\n3\n", "text/csv", "row 2: 1 fields, expected 2"),
    (b"hour,distance\n1,2\n3,x\n", "text/csv", "row 2, column 'distance'"),
    (b"hour,distance\n1,1_0\n", "text/csv", "row 1, column 'distance'"),
    (b"hour,distance\n1,nan\n", "text/csv", "row 1, column 'distance'"),
    (b"hour\n", "text/csv", "got no row"),
    (b"", "text/csv", "got no row"),
    (b"\n\n", "text/csv", "got no row"),
    (b"hour,distance\n\n", "text/csv", "got no row"),
    (b"hour,distance\n1,2,3\n4\n", "text/csv", "row 1: 3 fields, expected 2"),
    (b"hour,distance\n1\n2,3,4\n", "text/csv", "row 1: 1 fields, expected 2"),
    (b"hour,distance\n1,2\n3,4,\n", "text/csv", "row 2: 3 fields, expected 2"),
    (b"hour,distance\n1,2\n3,null\n", "text/csv", "row 2, column 'distance': expected a finite number"),
    (b"hour,distance\n1,2\n3,true\n", "text/csv", "row 2, column 'distance': expected a finite number"),
    (b"hour,distance\n1,[2\n3,4]\n", "text/csv", "row 1, column 'distance': expected a finite number"),
    (b"hour,distance\n1,2\n3," + b"[" * 100_000 + b"\n", "text/csv", "row 2, column 'distance'"),
    (b"hour,distance\n1,1e999\n", "text/csv", "row 1, column 'distance'"),
    (b"hour,hour\n1,2\n", "text/csv", "column 'hour': twice in the header"),
    (b"\xff", "text/csv", "UTF-8"),
    (b"<a/>", "text/xml", "content type 'text/xml'"),
]


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(("body", "content_type", "message"), BODIES)
def test_a_malformed_body_is_a_bad_request(fitted, body, content_type, message):
    encoder, project = fitted
    with pytest.raises(BadRequest) as refused:
        RequestReader(encoder, project).read(body, content_type)
    assert message in str(refused.value)


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("separator", [",", "\n"])
def test_answers_tell_every_float32_from_its_neighbours(separator):
    random = numpy.random.default_rng(5)
    numbers = random.integers(0, 0x7F800000, 20_000, dtype=numpy.int32).view(numpy.float32) * random.choice(
        [1, -1], 20_000
    )
    numbers = numpy.append(numbers, [0, 0.5, 1, 1e-45]).astype(numpy.float32)
    texts = number_texts(numbers, separator).split(separator)
    assert (numpy.array([json.loads(text) for text in texts]).astype(numpy.float32) == numbers).all()
    assert number_texts(numbers[:1], separator) == texts[0]


def test_plain_csv_is_read_as_any_csv_is():
    """Lines of few fields, some with one too many or too few, some empty: the fast reader says the same, or nothing."""
    for seed in range(500):
        chance = random.Random(seed)
        width = chance.randint(1, 3)
        uneven = chance.random() < 0.3
        widths = [width, *(width + (uneven and chance.choice([-1, 0, 0, 1])) for _ in range(chance.randint(0, 4)))]
        lines = [",".join(chance.choice(["", "a", " b", "\t", "é", "1"]) for _ in range(fields)) for fields in widths]
        text = "\n".join(lines) + "\n" * chance.randint(0, 2)
        fast = wire.plain_csv(text)
        try:
            header, columns = wire.any_csv(text)
        except BadRequest:
            assert fast is None
            continue
        assert fast is None or fast == (header, [list(column) for column in columns])
        # Nothing but one column and empty lines keeps it from being fast.
        assert fast is not None or len(header) == 1 or "\n\n" in text

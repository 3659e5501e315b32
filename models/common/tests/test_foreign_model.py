"""A champion of another algorithm is asked through its own inference.py: what it is sent, what it answers, how it fails."""

from __future__ import annotations

import json
import shutil

from common.container import JobError
from common.encoder import Encoder, Feature, Label
from common.foreign_model import CHUNK_ROWS, ForeignModel, json_lines
from common.payload import RequestReader
from common.project import parse_project
from conftest import MODELS

import numpy
import pyarrow
import pytest
from samples import COLUMNS, FORMATS, project_settings, random_rows
from test_encoder import read

# Answers with the sum of what its own reader makes of each row, and keeps what it was sent.
SUMS = """
import json, pathlib
import numpy
import common.values
from common.service import Service
from common.encoder import Encoder

class Sums:
    def __init__(self, folder):
        self.encoder = Encoder.from_json((folder / "encoder.json").read_text())

    def predict(self, matrix):
        return numpy.nansum(matrix[:, 1:], axis=1)

def model_fn(model_dir):
    print("loaded", common.values.__file__)
    return Service(Sums(pathlib.Path(model_dir)), pathlib.Path(__file__).resolve().parent)

def transform_fn(service, body, content_type, accept):
    with (pathlib.Path(__file__).parent / "seen").open("ab") as seen:
        seen.write(body + b"\\n")
    return service.answer(body, content_type, accept)
"""


def archive(folder, encoder, inference=SUMS, settings=None):
    """An unpacked archive with a `common` of its own."""
    shutil.copytree(MODELS / "common", folder / "code/common", ignore=shutil.ignore_patterns("tests", "__pycache__"))
    (folder / "encoder.json").write_text(encoder.to_json())
    (folder / "code/inference.py").write_text(inference)
    (folder / "code/project.json").write_text(json.dumps(settings or project_settings()))
    return folder


@pytest.fixture
def fitted(tmp_path):
    table, project = read(tmp_path, random_rows(400, seed=1))
    return Encoder.fit(table, project), table, project


def test_requests_are_read_as_the_table_they_were_made_of(tmp_path, fitted):
    encoder, _, project = fitted
    names = [feature.name for feature in encoder.features]
    for form in FORMATS:
        table, _ = read(tmp_path, random_rows(200, 5, unseen=True), form)
        matrix = RequestReader(encoder, project).read(json_lines(table, names), "application/jsonlines")
        assert matrix.tobytes() == encoder.encode(table).tobytes()


def test_the_archives_own_code_answers_in_chunks_and_sees_features_only(tmp_path, fitted):
    encoder, table, project = fitted
    folder = archive(tmp_path / "model", encoder)
    own = folder / "code/common/values.py"
    own.write_text(own.read_text() + "\nopen(__file__ + '.used', 'w').close()\n")
    table = pyarrow.concat_tables([table] * (CHUNK_ROWS // table.num_rows + 1))
    found = ForeignModel(folder, project).predict(table)
    expected = numpy.nansum(encoder.encode(table)[:, 1:], axis=1)
    assert found.dtype == numpy.float32
    assert numpy.allclose(found, expected, rtol=1e-7)
    assert own.with_name("values.py.used").exists()
    sent = [json.loads(line) for line in (folder / "code/seen").read_bytes().splitlines()]
    assert len(sent) == table.num_rows
    features = [name for name, each in COLUMNS.items() if each["role"] == "feature" and not each["pii"]]
    assert all(list(row) == features for row in sent)


def test_a_column_that_is_gone_is_missing_and_one_that_is_personal_now_is_not_sent(tmp_path, fitted):
    encoder, table, _ = fitted
    folder = archive(tmp_path / "model", encoder)
    settings = project_settings()
    columns = settings["data"]["columns"]
    settings["data"]["columns"] = {**columns, "carrier": {**columns["carrier"], "pii": True}}
    project = parse_project(settings)
    place = table.column_names.index("hour")  # which was not nullable
    table = table.set_column(place, "hour", pyarrow.nulls(table.num_rows, pyarrow.float64()))
    found = ForeignModel(folder, project).predict(table)
    matrix = encoder.encode(table)
    matrix[:, encoder.columns.index("carrier")] = numpy.nan
    assert numpy.allclose(found, numpy.nansum(matrix[:, 1:], axis=1), rtol=1e-7)
    assert b"carrier" not in (folder / "code/seen").read_bytes()


def test_classes_have_the_order_of_the_archive(tmp_path):
    encoder = Encoder([Feature("x", "number", False)], Label("y", "category", ("b", "a", "c")))
    inference = (
        "import json\n"
        "def model_fn(model_dir): return None\n"
        "def transform_fn(model, body, content_type, accept):\n"
        "    assert (content_type, accept) == ('application/jsonlines',) * 2\n"
        "    row = json.dumps({'label': 'a', 'probabilities': {'a': 0.7, 'b': 0.1, 'c': 0.2}})\n"
        "    return '\\n'.join(row for _ in body.splitlines()) + '\\n', accept\n"
    )
    project = parse_project(project_settings())
    model = ForeignModel(archive(tmp_path / "model", encoder, inference), project)
    found = model.predict(pyarrow.table({"x": [1.0, 2.0]}))
    assert numpy.array_equal(found, numpy.array([[0.1, 0.7, 0.2]] * 2, dtype=numpy.float32))


LOADS = "def model_fn(model_dir): return None\ndef transform_fn(model, body, content_type, accept):\n    "
FAILURES = {
    "import absent_library": r"ModuleNotFoundError \(No module named 'absent_library'\) .* when it loaded the model",
    "def model_fn(model_dir): raise RuntimeError('first\\nsecond')": r"RuntimeError \(first\) from",
    LOADS + "raise ValueError(body)": r"got ValueError from .* for held-out rows 1 to 50",
    LOADS + "from common.wire import BadRequest; raise BadRequest('row 2')": r"BadRequest \(row 2\) from",
    LOADS + "import common.wire as w; return w.refuse(w.BadRequest('row 2'))": r'the refusal {"error": "row 2"} from',
    LOADS + "print(body, flush=True); import os; os._exit(3)": "the end of its process, status 3",
    LOADS + "return '0.5\\n', accept": "1 predictions",
    LOADS + "return body, accept": r"no prediction \(KeyError\)",
    LOADS + "return '0.5\\nsecret', accept": r"no prediction \(JSONDecodeError\)",
}


@pytest.mark.parametrize("inference", list(FAILURES))
def test_a_failure_is_named_without_a_value(tmp_path, capfd, fitted, inference):
    encoder, table, project = fitted
    with pytest.raises(JobError, match=FAILURES[inference]) as failure:
        ForeignModel(archive(tmp_path / "model", encoder, inference), project).predict(table.slice(0, 50))
    assert "deploy a model that this version trained" in str(failure.value)
    assert "\n" not in str(failure.value)
    output = "".join(capfd.readouterr()) + str(failure.value)
    assert "secret" not in output
    assert not any(f"{value}" in output for value in table["when"].slice(0, 50).to_pylist() if value)
    assert "carrier" not in output


@pytest.mark.parametrize("name", ["encoder.json", "code/inference.py"])
def test_an_archive_without_its_code_or_encoder_is_said(tmp_path, fitted, name):
    encoder, _, project = fitted
    folder = archive(tmp_path / "model", encoder)
    (folder / name).unlink()
    with pytest.raises(JobError, match=f"got no {name} in the archive of the champion"):
        ForeignModel(folder, project)


def test_rows_of_every_type_come_as_a_request_has_them():
    table = pyarrow.table(
        {
            "when": pyarrow.array([0, None, -1], pyarrow.int64()),
            "n": pyarrow.array([1.5, None, 3.0]),
            "flag": pyarrow.array([True, False, None]),
            "text": ["a\nb", None, "é"],
            "other": ["never", "sent", "x"],
        }
    )
    assert [json.loads(line) for line in json_lines(table, ["when", "n", "flag", "text"]).splitlines()] == [
        {"when": "1970-01-01T00:00:00.000000Z", "n": 1.5, "flag": True, "text": "a\nb"},
        {"when": None, "n": None, "flag": False, "text": None},
        {"when": "1969-12-31T23:59:59.999999Z", "n": 3.0, "flag": None, "text": "é"},
    ]
    assert json_lines(table, []) == b"{}\n{}\n{}"

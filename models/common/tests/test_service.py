"""Answers in every form, for values and for classes of any name."""

from __future__ import annotations

import json

from common import wire
from common.encoder import Encoder, Feature, Label
from common.service import Service
from common.wire import BadRequest
from conftest import column, settings

import numpy
import pytest

CLASSES = ('50 %s "off"', "früh", "a,b\n")
BODY = b'{"inputs": {"x": [0, 1, 2, 3]}}'


class Predictor:
    """Predicts what it is told to."""

    def __init__(self, classes: tuple[str, ...], predictions: list):
        self.encoder = Encoder([Feature("x", "number", False)], Label("y", "category", classes))
        self._predictions = numpy.array(predictions, dtype=numpy.float32)

    def predict(self, matrix: numpy.ndarray) -> numpy.ndarray:
        return self._predictions[matrix[:, 0].astype(int)]


@pytest.fixture(params=["orjson", "the standard library"])
def service(request, monkeypatch, tmp_path):
    """A service of given classes and predictions; AWS's images come without orjson."""
    if request.param != "orjson":
        monkeypatch.setattr(wire, "orjson", None)
    monkeypatch.setenv("FLYWHEEL_MODEL_VERSION", "trial/3")
    columns = {"x": column("number"), "y": column("category", "label")}
    (tmp_path / "project.json").write_text(json.dumps(settings(columns, "multiclass")))
    return lambda classes, predictions: Service(Predictor(classes, predictions), tmp_path)


VALUES = [0.1, 1e-9, 12345678.0, -3]


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/csv", "application/jsonlines"])
def test_values(service, accept):
    answer, content_type = service((), VALUES).answer(BODY, "application/json", accept)
    if "csv" in accept or "lines" in accept:
        values = [json.loads(line) for line in answer.splitlines()]
        assert content_type == accept
    else:
        content = json.loads(answer)
        assert content["modelVersion"] == "trial/3"
        values = content["predictions"]
    assert numpy.float32(values).tolist() == numpy.float32(VALUES).tolist()


ROWS = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.25, 0.25, 0.5], [1, 0, 0]]


@pytest.mark.parametrize("accept", ["application/json", "application/jsonlines"])
def test_classes(service, accept):
    answer, _ = service(CLASSES, ROWS).answer(BODY, "application/json", accept)
    rows = (
        [json.loads(line) for line in answer.splitlines()] if "lines" in accept else json.loads(answer)["predictions"]
    )
    assert [row["label"] for row in rows] == [CLASSES[0], CLASSES[1], CLASSES[2], CLASSES[0]]
    assert [list(row["probabilities"]) for row in rows] == [list(CLASSES)] * 4
    found = numpy.float32([list(row["probabilities"].values()) for row in rows])
    assert found.tolist() == numpy.float32(ROWS).tolist()


def test_classes_are_no_csv(service):
    with pytest.raises(BadRequest, match="text/csv"):
        service(CLASSES, ROWS).answer(BODY, "application/json", "text/csv")


def test_a_refused_request_is_an_answer_of_400_to_a_wsgi_server_and_no_error(service):
    """Flask's server in AWS's XGBoost image makes a 500 of every error."""
    refusal = service((), VALUES).respond(b'{"inputs": {"x": ["x"]}}', "application/json", "*/*")
    told = []
    body = b"".join(refusal({}, lambda status, headers: told.append((status, dict(headers)))))
    assert told == [("400 Bad Request", {"Content-Type": "application/json", "Content-Length": str(len(body))})]
    assert json.loads(body) == {"error": "row 1, column 'x': expected a finite number, got JSON string"}


def test_any_other_request_is_answered_as_ever(service):
    made = service((), VALUES)
    assert made.respond(BODY, "application/json", "*/*") == made.answer(BODY, "application/json", "*/*")

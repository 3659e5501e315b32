"""What an inference.py answers with: requests in, predictions out, for any algorithm."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy

from .payload import RequestReader
from .project import load_project
from .wire import CSV_TYPE, JSON_LINES_TYPES, BadRequest, Refusal, number_texts, refuse


class Service:
    """A loaded model, ready to answer. `predictor` has an `encoder` and `predict(matrix)`, see evaluation.Predictor."""

    def __init__(self, predictor, code: Path):
        self._predictor = predictor
        self._reader = RequestReader(predictor.encoder, load_project(code))
        # JSON texts, and how a row of a multiclass answer is put together of them.
        self._labels = [json.dumps(name) for name in predictor.encoder.label.classes]
        probabilities = ",".join(label.replace("%", "%%") + ":%s" for label in self._labels)
        self._row_of_classes = f'{{"label":%s,"probabilities":{{{probabilities}}}}}'
        self._tail = f'],"modelVersion":{json.dumps(os.environ.get("FLYWHEEL_MODEL_VERSION", "unknown"))}}}'

    def respond(self, body: bytes | str, content_type: str, accept: str) -> tuple[str, str] | Refusal:
        """What transform_fn returns: (body, content type), or the refusal of a request that the client has to change."""
        try:
            return self.answer(body, content_type, accept)
        except BadRequest as error:
            return refuse(error)

    def answer(self, body: bytes | str, content_type: str, accept: str) -> tuple[str, str]:
        """(body, content type) of the response.

        Raises BadRequest.
        """
        content = body.encode() if isinstance(body, str) else body
        predictions = self._predictor.predict(self._reader.read(content, content_type))
        if accept.startswith(CSV_TYPE):
            if predictions.ndim == 2:
                raise BadRequest("got Accept: text/csv, expected application/json or application/jsonlines for classes")
            return self._texts(predictions, "\n") + "\n", CSV_TYPE
        if accept.startswith(JSON_LINES_TYPES):
            return self._texts(predictions, "\n") + "\n", JSON_LINES_TYPES[0]
        return '{"predictions":[' + self._texts(predictions, ",") + self._tail, "application/json"

    def _texts(self, predictions: numpy.ndarray, separator: str) -> str:
        """One JSON text a row."""
        if predictions.ndim == 1:
            return number_texts(predictions, separator)
        labels = map(self._labels.__getitem__, predictions.argmax(axis=1).tolist())
        probabilities = iter(number_texts(predictions.ravel(), separator).split(separator))
        # The same iterator once for each class: zip takes a row's probabilities from it.
        rows = zip(labels, *[probabilities] * len(self._labels), strict=False)
        return separator.join(map(self._row_of_classes.__mod__, rows))

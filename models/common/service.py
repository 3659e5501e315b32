"""What an inference.py answers with: requests in, predictions out, for any algorithm."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy

from .payload import CSV_TYPE, JSON_LINES_TYPES, BadRequest, RequestReader
from .project import load_project


class Service:
    """A loaded model, ready to answer. `predictor` has an `encoder` and `predict(matrix)`, see evaluation.Predictor."""

    def __init__(self, predictor, code: Path):
        self._predictor = predictor
        self._reader = RequestReader(predictor.encoder, load_project(code))
        self._tail = f'],"modelVersion":{json.dumps(os.environ.get("FLYWHEEL_MODEL_VERSION", "unknown"))}}}'

    def answer(self, body: bytes | str, content_type: str, accept: str) -> tuple[str, str]:
        """(body, content type) of the response.

        Raises BadRequest.
        """
        content = body.encode() if isinstance(body, str) else body
        predictions = self._predictor.predict(self._reader.read(content, content_type))
        texts = self._texts(predictions)
        if accept.startswith(CSV_TYPE):
            if predictions.ndim == 2:
                raise BadRequest("got Accept: text/csv, expected application/json or application/jsonlines for classes")
            return "\n".join(texts) + "\n", CSV_TYPE
        if accept.startswith(JSON_LINES_TYPES):
            return "\n".join(texts) + "\n", JSON_LINES_TYPES[0]
        return '{"predictions":[' + ",".join(texts) + self._tail, "application/json"

    def _texts(self, predictions: numpy.ndarray) -> list[str]:
        """One JSON text a row, with 9 digits: they tell every float32 from its neighbours, more would be noise."""
        if predictions.ndim == 1:
            # One format for all is a third faster than one for each.
            return ("%.9g\n" * len(predictions) % tuple(predictions.tolist())).splitlines()
        classes = self._predictor.encoder.label.classes
        chosen = predictions.argmax(axis=1).tolist()
        return [
            json.dumps({"label": classes[best], "probabilities": dict(zip(classes, row, strict=True))})
            for best, row in zip(chosen, predictions.tolist(), strict=True)
        ]

"""Inference with XGBoost: the two functions that SageMaker's inference toolkit calls."""

from __future__ import annotations

import json
import os
from pathlib import Path

from common.payload import CSV_TYPE, JSON_LINES_TYPES, BadRequest, RequestReader
from common.project import load_project

import numpy
from booster import XgboostModel


class Service:
    """A loaded model, ready to answer."""

    def __init__(self, folder: Path):
        self.model = XgboostModel.load(folder)
        self.reader = RequestReader(self.model.encoder, load_project(Path(__file__).resolve().parent))
        self.version = os.environ.get("FLYWHEEL_MODEL_VERSION", "unknown")
        self._tail = f'],"modelVersion":{json.dumps(self.version)}}}'

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[str, str]:
        """(body, content type) of the response.

        Raises BadRequest.
        """
        predictions = self.model.predict(self.reader.read(body, content_type))
        texts = self._texts(predictions)
        if accept.startswith(CSV_TYPE):
            if predictions.ndim == 2:
                raise BadRequest("got Accept: text/csv, expected application/json or application/jsonlines for classes")
            return "\n".join(texts) + "\n", CSV_TYPE
        if accept.startswith(JSON_LINES_TYPES):
            return "\n".join(texts) + "\n", JSON_LINES_TYPES[0]
        return '{"predictions":[' + ",".join(texts) + self._tail, "application/json"

    def _texts(self, predictions: numpy.ndarray) -> list[str]:
        """One JSON text a row. A float32 holds 7 digits: what its conversion to a double adds is noise to read and send."""
        if predictions.ndim == 1:
            return [f"{value:.8g}" for value in predictions.tolist()]
        classes = self.model.encoder.label.classes
        chosen = predictions.argmax(axis=1).tolist()
        return [
            json.dumps({"label": classes[best], "probabilities": dict(zip(classes, row, strict=True))})
            for best, row in zip(chosen, predictions.tolist(), strict=True)
        ]


def model_fn(model_dir: str) -> Service:
    """Called once, when the container starts."""
    return Service(Path(model_dir))


def transform_fn(service: Service, data: bytes | str, content_type: str, accept: str) -> tuple[str, str]:
    """Called for every request."""
    return service.answer(data.encode() if isinstance(data, str) else data, content_type, accept)

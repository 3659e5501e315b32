"""A trained network with the encoder it was trained behind, without torch: what evaluate.py and inference.py load.

`tabular-model` is an uncompressed .npz: the weights by their names, and `network.json` with the rest.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from zipfile import BadZipFile

from common.container import JobError
from common.encoder import Encoder

import numpy
from forward import Network, Shape

MODEL_FILE, ENCODER_FILE = "tabular-model", "encoder.json"
SCHEMA_VERSION = 1
SETTINGS = "network.json"
EXPLAINED_ROWS, PERMUTATIONS = 200, 8


class TabularModel:
    """`tabular-model` and `encoder.json` of a model folder. `centre` and `scale` turn outputs into values (regression)."""

    def __init__(self, network: Network, encoder: Encoder, objective: str, centre: float, scale: float):
        self.network = network
        self.encoder = encoder
        self.objective = objective
        self.centre = centre
        self.scale = scale
        categorical = numpy.array(encoder.is_categorical)
        self._numbers, self._codes = numpy.flatnonzero(~categorical), numpy.flatnonzero(categorical)

    @classmethod
    def load(cls, folder: Path) -> TabularModel:
        """Raises JobError when a file is missing, broken, or of another version."""
        for name in (MODEL_FILE, ENCODER_FILE):
            if not (folder / name).is_file():
                raise JobError(f"got no {name} in the model archive, expected what train.py writes")
        encoder = Encoder.from_json((folder / ENCODER_FILE).read_text())
        try:
            with numpy.load(folder / MODEL_FILE, allow_pickle=False) as saved:
                settings = json.loads(saved[SETTINGS].tobytes())
                _check_version(settings)
                weights = {name: saved[name] for name in saved.files if name != SETTINGS}
            network = Network(Shape(**settings["shape"]), weights)
            return cls(network, encoder, settings["objective"], settings["centre"], settings["scale"])
        except (BadZipFile, OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise JobError(
                f"got a {MODEL_FILE} that cannot be read ({type(error).__name__}), expected the .npz that train.py writes; "
                "train the model again"
            ) from error

    def to_bytes(self) -> bytes:
        """The content of `tabular-model`."""
        settings = {
            "schemaVersion": SCHEMA_VERSION,
            "shape": asdict(self.network.shape),
            "objective": self.objective,
            "centre": self.centre,
            "scale": self.scale,
        }
        stream = io.BytesIO()
        content = numpy.frombuffer(json.dumps(settings, allow_nan=False).encode(), dtype=numpy.uint8)
        numpy.savez(stream, **{SETTINGS: content}, **self.network.weights)
        return stream.getvalue()

    def predict(self, matrix: numpy.ndarray) -> numpy.ndarray:
        """(rows,) probability of class 1 or value; (rows, classes) probabilities. Input: the encoder's float32 matrix."""
        predicted = self.network.predict(matrix[:, self._numbers], matrix[:, self._codes], self.objective)
        return predicted * self.scale + self.centre if self.objective == "regression" else predicted

    def contributions(self, matrix: numpy.ndarray) -> numpy.ndarray:
        """Mean absolute Shapley value of each feature, shape (features,), estimated on at most EXPLAINED_ROWS rows.

        A feature's contribution is how much the prediction changes when it takes the row's value, the features before
        it in a random order having taken theirs, the others another row's (Štrumbelj, Kononenko 2014). For classes,
        of the log-odds, as XGBoost's.
        """
        random = numpy.random.default_rng(0)
        rows = matrix[:: max(1, -(-len(matrix) // EXPLAINED_ROWS))]
        features = len(self.encoder.features)
        total = numpy.zeros((features, len(rows), self._margin(rows[:1]).shape[1]))
        for _ in range(PERMUTATIONS):
            mixed = matrix[random.integers(0, len(matrix), len(rows))].copy()
            before = self._margin(mixed)
            for feature in random.permutation(features):
                places = self.encoder.feature_of_column == feature
                mixed[:, places] = rows[:, places]
                after = self._margin(mixed)
                total[feature] += after - before
                before = after
        return numpy.abs(total / PERMUTATIONS).mean(axis=(1, 2))

    def _margin(self, matrix: numpy.ndarray) -> numpy.ndarray:
        """(rows, outputs): log-odds, log-probabilities, or the value."""
        predicted = self.predict(matrix).astype(numpy.float64)
        if self.objective == "regression":
            return predicted[:, None]
        likely = numpy.clip(predicted, 1e-7, 1 - 1e-7)
        return numpy.log(likely) if likely.ndim == 2 else numpy.log(likely / (1 - likely))[:, None]


def _check_version(settings: dict) -> None:
    if settings["schemaVersion"] != SCHEMA_VERSION:
        raise JobError(
            f"got a {MODEL_FILE} of schemaVersion {settings['schemaVersion']}, expected {SCHEMA_VERSION}; train the model again"
        )

"""A trained XGBoost model with the encoder it was trained behind."""

from __future__ import annotations

from pathlib import Path

from common.container import JobError, cpu_count
from common.encoder import Encoder

import numpy
import xgboost
from tree_tables import TreeTables

MODEL_FILE, ENCODER_FILE = "xgboost-model", "encoder.json"
# Up to here one thread is as fast as several, and does not wait for a processor that something else uses.
ONE_THREAD_ROWS = 128


class XgboostModel:
    """`xgboost-model` and `encoder.json` of a model folder."""

    def __init__(self, booster: xgboost.Booster, encoder: Encoder):
        self.booster = booster
        self.encoder = encoder
        self._tables: TreeTables | None = None
        self._one_thread = booster

    def prepare_for_requests(self) -> None:
        """Makes batches of requests fast, at the cost of tenths of a second now: for a server, not for an evaluation."""
        self._tables = TreeTables.of(self.booster)
        if self._tables is None:
            self._one_thread = self.booster.copy()
            self._one_thread.set_param({"nthread": 1})

    @classmethod
    def load(cls, folder: Path) -> XgboostModel:
        """Raises JobError when a file is missing."""
        for name in (MODEL_FILE, ENCODER_FILE):
            if not (folder / name).is_file():
                raise JobError(f"got no {name} in the model archive, expected what train.py writes")
        booster = xgboost.Booster(
            params={"nthread": cpu_count()}, model_file=bytearray((folder / MODEL_FILE).read_bytes())
        )
        return cls(booster, Encoder.from_json((folder / ENCODER_FILE).read_text()))

    def predict(self, matrix: numpy.ndarray) -> numpy.ndarray:
        """(rows,) probability of class 1 or value; (rows, classes) probabilities. Input: the encoder's float32 matrix."""
        if self._tables:
            return self._tables.predict(matrix)
        booster = self._one_thread if len(matrix) <= ONE_THREAD_ROWS else self.booster
        return booster.inplace_predict(matrix, validate_features=False)

    def contributions(self, matrix: numpy.ndarray) -> numpy.ndarray:
        """Mean absolute SHAP value (Lundberg, Lee 2017; exact for trees by TreeSHAP) of each feature, shape (features,).

        The parts of a feature (of a time, say) are added per row before the absolute value; classes are averaged.
        """
        rows = xgboost.DMatrix(matrix, feature_types=feature_types(self.encoder), enable_categorical=True)
        shap = self.booster.predict(rows, pred_contribs=True, validate_features=False)
        shap = shap.reshape(len(matrix), -1, self.encoder.width + 1)[:, :, :-1]
        by_feature = numpy.zeros((*shap.shape[:2], len(self.encoder.features)))
        for column, feature in enumerate(self.encoder.feature_of_column):
            by_feature[:, :, feature] += shap[:, :, column]
        return numpy.abs(by_feature).mean(axis=(0, 1))


def feature_types(encoder: Encoder) -> list[str]:
    """XGBoost's names: c for codes, q for quantities."""
    return ["c" if categorical else "q" for categorical in encoder.is_categorical]

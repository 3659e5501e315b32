"""A trained network with the encoder it was trained behind."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path

from common.container import JobError, cpu_count
from common.encoder import Encoder

import numpy
import torch
from columns import pack
from network import Shape, TabM

MODEL_FILE, ENCODER_FILE = "tabular-model", "encoder.json"
CHUNK_ROWS = 8192
EXPLAINED_ROWS, PERMUTATIONS = 200, 8


class TabularModel:
    """`tabular-model` and `encoder.json` of a model folder. `centre` and `scale` turn outputs into values (regression)."""

    def __init__(self, network: TabM, encoder: Encoder, objective: str, centre: float, scale: float):
        self.network = network.eval()
        self.encoder = encoder
        self.objective = objective
        self.centre = centre
        self.scale = scale

    @classmethod
    def load(cls, folder: Path) -> TabularModel:
        """On the CPU, with as many threads as the process has processors.

        Raises JobError when a file is missing.
        """
        for name in (MODEL_FILE, ENCODER_FILE):
            if not (folder / name).is_file():
                raise JobError(f"got no {name} in the model archive, expected what train.py writes")
        torch.set_num_threads(cpu_count())
        saved = torch.load(folder / MODEL_FILE, map_location="cpu", weights_only=True)
        network = TabM(Shape(**saved["shape"]))
        network.load_state_dict(saved["weights"])
        encoder = Encoder.from_json((folder / ENCODER_FILE).read_text())
        return cls(network, encoder, saved["objective"], saved["centre"], saved["scale"])

    def to_bytes(self) -> bytes:
        """The content of `tabular-model`."""
        stream = io.BytesIO()
        weights = {name: value.detach().cpu() for name, value in self.network.state_dict().items()}
        content = {"shape": asdict(self.network.shape), "weights": weights, "objective": self.objective}
        torch.save({**content, "centre": self.centre, "scale": self.scale}, stream)
        return stream.getvalue()

    def predict(self, matrix: numpy.ndarray) -> numpy.ndarray:
        """(rows,) probability of class 1 or value; (rows, classes) probabilities. Input: the encoder's float32 matrix."""
        nothing = numpy.zeros(len(matrix), dtype=numpy.float32)
        columns = pack(matrix, nothing, nothing, self.encoder)
        return predictions(self.network, columns, self.objective).numpy() * self.scale + self.centre

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


@torch.inference_mode()
def predictions(network: TabM, columns, objective: str) -> torch.Tensor:
    """Averages the members: of probabilities for classes, of outputs for regression. float32 on the CPU."""
    network.eval()
    device = network.head_bias.device
    parts = []
    for start in range(0, columns.rows, CHUNK_ROWS):
        part = columns.take(slice(start, start + CHUNK_ROWS)).to(device)
        outputs = network(part.numbers, part.codes).float()
        if objective == "binary":
            parts.append(torch.sigmoid(outputs).mean(dim=1).squeeze(1).cpu())
        elif objective == "multiclass":
            parts.append(torch.softmax(outputs, dim=2).mean(dim=1).cpu())
        else:
            parts.append(outputs.mean(dim=1).squeeze(1).cpu())
    return torch.cat(parts)

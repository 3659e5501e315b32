"""Generated rows of the flights' shape: eleven numbers, three categories, late or not."""

from __future__ import annotations

from dataclasses import dataclass

from common.encoder import Encoder, Feature, Label

import numpy

NUMBERS = (
    "distance",
    "hour",
    "dep_delay",
    "temp",
    "dewp",
    "humid",
    "wind_dir",
    "wind_speed",
    "precip",
    "pressure",
    "visib",
)
CATEGORIES = {"carrier": 16, "origin": 3, "dest": 105}
MISSING = 0.03


@dataclass(frozen=True)
class Rows:
    """matrix (rows, 14) as the encoder makes it, labels (rows,), and the probabilities they were drawn with."""

    matrix: numpy.ndarray
    labels: numpy.ndarray
    probabilities: numpy.ndarray


def encoder() -> Encoder:
    """The encoder that training would have fitted on such rows."""
    features = [Feature(name, "number", True) for name in NUMBERS]
    for name, size in CATEGORIES.items():
        features.append(Feature(name, "category", True, tuple(f"{name}-{code}" for code in range(size))))
    return Encoder(features, Label("late", "boolean", ("false", "true")))


def generate(rows: int, seed: int) -> Rows:
    """Lateness follows from departure delay, hour, weather and carrier, with interactions; the same for every seed."""
    random = numpy.random.default_rng(seed)
    matrix = numpy.empty((rows, len(NUMBERS) + len(CATEGORIES)), dtype=numpy.float32)
    numbers = random.standard_normal((rows, len(NUMBERS)), dtype=numpy.float32)
    codes = [random.integers(0, size, rows) for size in CATEGORIES.values()]
    effects = numpy.random.default_rng(1)
    margin = 1.6 * numpy.abs(numbers[:, 2]) * numpy.sign(numbers[:, 2] + 0.4) - 1
    margin += 0.8 * numpy.sin(2 * numbers[:, 1]) + 0.5 * numbers[:, 7] * (numbers[:, 8] > 0.5)
    margin += 0.6 * numbers[:, 3] * numbers[:, 4]
    for code, size in zip(codes, CATEGORIES.values(), strict=True):
        margin += (0.5 * effects.standard_normal(size)).astype(numpy.float32)[code]
    probabilities = 1 / (1 + numpy.exp(-margin))
    labels = (random.random(rows, dtype=numpy.float32) < probabilities).astype(numpy.float32)
    matrix[:, : len(NUMBERS)] = numbers
    matrix[:, : len(NUMBERS)][random.random((rows, len(NUMBERS)), dtype=numpy.float32) < MISSING] = numpy.nan
    matrix[:, len(NUMBERS) :] = numpy.stack(codes, axis=1)
    return Rows(matrix, labels, probabilities)

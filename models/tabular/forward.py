"""The network's forward pass in numpy: evaluation and serving run it on XGBoost's image, which has no torch. It computes
what network.py does from the same weights; the tests compare the two.

Shapes: n rows, k members, F numeric columns, B bins, C categorical columns, d numbers an embedding, E = (F + C) · d.
Everything is float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy

# Rows are computed in parts whose largest array has so many numbers (4 MB): memory is bounded, and a layer's rows stay
# in the processor's cache for the next step. BLAS is as fast with them as with more.
PART_VALUES = 1 << 20
# OpenBLAS gives a product to a second thread from here on, in multiplications. For few rows that thread is not worth the
# wait until a busy processor runs it. How many it has at most follows the process's affinity, or OPENBLAS_NUM_THREADS.
ONE_THREAD = 1 << 18
SMALL_ROWS = 32


@dataclass(frozen=True)
class Shape:
    """All that is needed to build the network again before its weights are loaded."""

    bins: list[list[float]]  # ascending edges of each numeric column; at least two
    categories: list[int]  # codes of each categorical column, the one for missing included
    outputs: int
    members: int
    width: int
    depth: int
    embedding: int
    dropout: float

    @property
    def bin_count(self) -> int:
        """B: the bins of the column that has most, 0 without numeric columns."""
        return max(map(len, self.bins), default=1) - 1

    @property
    def layer_names(self) -> list[str]:
        """Where the weights of each hidden layer are; activation and dropout are layers without weights."""
        step = 3 if self.dropout else 2
        return [f"layers.{position * step}" for position in range(self.depth)]

    def weights(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each array of weights."""
        found: dict[str, tuple[int, ...]] = {}
        columns = len(self.bins)
        if self.bins:
            found["numbers.weight"] = (columns, self.bin_count + 1, self.embedding)
            found["numbers.bias"] = (columns, 1, self.embedding)
        if self.categories:
            found["codes.table.weight"] = (sum(self.categories), self.embedding)
        size = (columns + len(self.categories)) * self.embedding
        for name in self.layer_names:
            found[f"{name}.weight"] = (size, self.width)
            found[f"{name}.scale_in"] = (self.members, size)
            found[f"{name}.scale_out"] = found[f"{name}.bias"] = (self.members, self.width)
            size = self.width
        found["head_weight"] = (self.members, size, self.outputs)
        found["head_bias"] = (self.members, 1, self.outputs)
        return found


class Network:
    """A trained network. `weights` are float32 arrays by the names of torch's state_dict.

    Raises ValueError when they are not those of the shape.
    """

    def __init__(self, shape: Shape, weights: dict[str, numpy.ndarray]):
        if {name: value.shape for name, value in weights.items()} != shape.weights():
            raise ValueError("the weights are not those of the network's shape")
        self.shape = shape
        self.weights = {name: numpy.ascontiguousarray(value, dtype=numpy.float32) for name, value in weights.items()}
        self._numbers = _Numbers(shape.bins, self.weights) if shape.bins else None
        self._codes = _Codes(shape.categories, self.weights) if shape.categories else None
        self._layers = [_Layer(self.weights, name) for name in shape.layer_names]
        columns = len(shape.bins) + len(shape.categories)
        inputs = max(columns * shape.embedding, shape.width)
        self._part_rows = max(PART_VALUES // max(shape.members * inputs, columns * (shape.bin_count + 1)), 1)

    def predict(self, numbers: numpy.ndarray, codes: numpy.ndarray, objective: str) -> numpy.ndarray:
        """Averages the members: of probabilities for classes, of outputs for regression. (n,), or (n, classes).

        numbers (n, F) and codes (n, C) float32, NaN for missing.
        """
        average = {"binary": _mean_sigmoid, "multiclass": _mean_softmax, "regression": _mean}[objective]
        result = numpy.empty((len(numbers), self.shape.outputs), dtype=numpy.float32)
        # Overflow is meant: a number far beyond the bins is held to their ends, a very negative output is probability 0.
        with numpy.errstate(over="ignore"):
            for start in range(0, len(result), self._part_rows):
                part = slice(start, start + self._part_rows)
                result[part] = average(self._outputs(numbers[part], codes[part]))
        return result if objective == "multiclass" else result[:, 0]

    def _outputs(self, numbers: numpy.ndarray, codes: numpy.ndarray) -> numpy.ndarray:
        """(k, n, outputs)."""
        rows, columns = len(numbers), len(self.shape.bins)
        embedded = numpy.empty((rows, columns + len(self.shape.categories), self.shape.embedding), dtype=numpy.float32)
        if self._numbers:
            self._numbers.embed(numbers, embedded[:, :columns])
        if self._codes:
            embedded[:, columns:] = self._codes.embed(codes)
        hidden = embedded.reshape(rows, -1)
        for layer in self._layers:
            hidden = layer.apply(hidden)
        outputs = hidden @ self.weights["head_weight"]
        outputs += self.weights["head_bias"]
        return outputs


class _Numbers:
    """Piecewise-linear embeddings; see network.PiecewiseLinear."""

    def __init__(self, bins: list[list[float]], weights: dict[str, numpy.ndarray]):
        self._start, self._slope, self._low, self._high = (table[:, None] for table in bin_tables(bins))
        self._weight, self._bias = weights["numbers.weight"], weights["numbers.bias"]

    def embed(self, numbers: numpy.ndarray, result: numpy.ndarray) -> None:
        """(n, F) into (n, F, d)."""
        columns = numbers.T[:, :, None]
        missing = numpy.isnan(columns)
        code = numpy.empty((*columns.shape[:2], self._weight.shape[1]), dtype=numpy.float32)  # (F, n, B + 1)
        position = code[:, :, :-1]
        numpy.subtract(columns, self._start, out=position)
        position *= self._slope
        numpy.minimum(position, self._high, out=position)
        numpy.maximum(position, self._low, out=position)
        numpy.copyto(position, 0, where=missing)
        code[:, :, -1:] = missing
        numpy.add(code @ self._weight, self._bias, out=result.transpose(1, 0, 2))


class _Codes:
    """Category embeddings, all columns in one table; a column's last code is for missing."""

    def __init__(self, categories: list[int], weights: dict[str, numpy.ndarray]):
        ends = numpy.cumsum(categories)
        self._offsets, self._missing = ends - categories, ends - 1
        self._table = weights["codes.table.weight"]

    def embed(self, codes: numpy.ndarray) -> numpy.ndarray:
        """(n, C) → (n, C, d)."""
        return self._table[numpy.where(numpy.isnan(codes), self._missing, codes + self._offsets).astype(numpy.intp)]


class _Layer:
    """A hidden layer of all members, ReLU included; see network.EnsembleLinear."""

    def __init__(self, weights: dict[str, numpy.ndarray], name: str):
        self._weight = weights[f"{name}.weight"]
        self._scale_in, self._scale_out, self._bias = (
            weights[f"{name}.{part}"][:, None] for part in ("scale_in", "scale_out", "bias")
        )
        members = len(self._bias)
        self._groups = next(
            groups
            for groups in range(1, members + 1)
            if groups == members or (members % groups == 0 and members // groups * self._weight.size <= ONE_THREAD)
        )

    def apply(self, x: numpy.ndarray) -> numpy.ndarray:
        """(n, in), which all members share, or (k, n, in) → (k, n, out)."""
        scaled = x * self._scale_in
        members, rows, size = scaled.shape
        # The members' rows as one matrix; of few rows as small ones.
        product = scaled.reshape(self._groups * rows if rows <= SMALL_ROWS else 1, -1, size) @ self._weight
        hidden = product.reshape(members, rows, -1)
        hidden *= self._scale_out
        hidden += self._bias
        return numpy.maximum(hidden, 0, out=hidden)


def bin_tables(bins: list[list[float]]) -> tuple[numpy.ndarray, ...]:
    """(start, slope, low, high) of each bin, each (F, B) float32: a value x has the code (x - start) · slope, held to
    low..high. Bins that a column does not have give 0.
    """
    start, slope, low, high = numpy.zeros((4, len(bins), max(map(len, bins)) - 1), dtype=numpy.float32)
    for row, edges in enumerate(bins):
        points = numpy.array(edges, dtype=numpy.float64)
        used = len(edges) - 1
        start[row, :used] = points[:-1]
        slope[row, :used] = 1 / (points[1:] - points[:-1])
        high[row, :used] = 1
        low[row, 0], high[row, used - 1] = -1, 2
    return start, slope, low, high


def _mean_sigmoid(outputs: numpy.ndarray) -> numpy.ndarray:
    return (1 / (1 + numpy.exp(-outputs))).mean(axis=0)


def _mean_softmax(outputs: numpy.ndarray) -> numpy.ndarray:
    likely = numpy.exp(outputs - outputs.max(axis=2, keepdims=True))
    likely /= likely.sum(axis=2, keepdims=True)
    return likely.mean(axis=0)


def _mean(outputs: numpy.ndarray) -> numpy.ndarray:
    return outputs.mean(axis=0)

"""What the training rows looked like, in bins that captured requests can be counted into: `baseline.json`.

Edges and values are those of `featureBins` in lambdas/contract/model-files.ts. Booleans are numbers here, 0 and 1, as
the counting of requests reads them. Times and texts have no bins: a clock always drifts.
"""

from __future__ import annotations

import numpy
import pyarrow
from pyarrow import compute

from .project import NUMERIC_TYPES, Column, Project

MAXIMUM_VALUES = 20
_DECILES = numpy.arange(1, 10) / 10


def baseline(training: pyarrow.Table, project: Project, predictions: dict) -> dict:
    """The content of `baseline.json`; `predictions` are the bins of what the candidate predicts on held-out rows."""
    features = [_feature_bins(training[column.name], column) for column in project.features]
    return {
        "schemaVersion": 1,
        "rows": training.num_rows,
        "features": [bins for bins in features if bins is not None],
        "prediction": predictions,
    }


def numeric_bins(name: str, values: numpy.ndarray) -> dict:
    """Bins between the deciles of the values that are there, shape (rows,), NaN for missing.

    Edges are values that occur, each once; the largest value is none (nothing lies beyond it) unless it is the only one.
    """
    present = values[~numpy.isnan(values)].astype(numpy.float64)
    edges = numpy.zeros(0)
    if len(present):
        edges = numpy.unique(numpy.quantile(present, _DECILES, method="inverted_cdf"))
        edges = edges[edges < present.max()] if len(edges) > 1 else edges
    counts = numpy.bincount(numpy.searchsorted(edges, present, side="left"), minlength=len(edges) + 1)
    return {
        "name": name,
        "kind": "numeric",
        "edges": edges.tolist(),
        "counts": counts.tolist(),
        "missing": len(values) - len(present),
    }


def categorical_bins(name: str, values: pyarrow.ChunkedArray) -> dict:
    """The MAXIMUM_VALUES most frequent texts, equals by their letters, and the rest as `other`."""
    counted = sorted(
        (-entry["counts"], entry["values"]) for entry in compute.drop_null(values).value_counts().to_pylist()
    )
    listed, rest = counted[:MAXIMUM_VALUES], counted[MAXIMUM_VALUES:]
    return {
        "name": name,
        "kind": "categorical",
        "values": [value for _, value in listed],
        "counts": [-count for count, _ in listed],
        "other": -sum(count for count, _ in rest),
        "missing": values.null_count,
    }


def _feature_bins(values: pyarrow.ChunkedArray, column: Column) -> dict | None:
    if column.type == "category":
        return categorical_bins(column.name, values)
    if column.type == "boolean" or column.type in NUMERIC_TYPES:
        return numeric_bins(column.name, values.cast(pyarrow.float64()).to_numpy())
    return None

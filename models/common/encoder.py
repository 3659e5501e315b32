"""The encoder: columns to the numbers that a model reads. Fitted on training rows only and saved with the model;
training and evaluation encode Arrow tables, inference encodes plain lists, and both give the same bits.

| column type      | encoded as                                                                        |
| ---              | ---                                                                               |
| number, integer  | the value                                                                         |
| boolean          | 0 or 1                                                                            |
| category         | the rank of the value by frequency; one code for all rare and unseen values        |
| timestamp        | days since 1970, day of the year, day of the week, minute of the day               |
| text             | characters, words                                                                 |

Missing is NaN everywhere. The standard library and numpy are enough to load and use one: pyarrow is imported by the
functions that take tables, so that serving does not wait for it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy

from .container import JobError
from .project import NUMERIC_TYPES, Column, Project

if TYPE_CHECKING:
    import pyarrow

SCHEMA_VERSION = 1
MINIMUM_CATEGORY_ROWS = 10
MAXIMUM_CATEGORIES = 1000
TIMESTAMP_PARTS = ("days", "dayOfYear", "dayOfWeek", "minuteOfDay")
TEXT_PARTS = ("characters", "words")
_DAY, _MINUTE = 86_400_000_000, 60_000_000
_LARGEST = float(numpy.finfo(numpy.float32).max)


@dataclass(frozen=True)
class Feature:
    """One column that the model reads. `categories` are the values with a code of their own, most frequent first."""

    name: str
    kind: str
    nullable: bool
    categories: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the encoded columns."""
        if self.kind == "timestamp":
            return tuple(f"{self.name}.{part}" for part in TIMESTAMP_PARTS)
        if self.kind == "text":
            return tuple(f"{self.name}.{part}" for part in TEXT_PARTS)
        return (self.name,)


@dataclass(frozen=True)
class Label:
    """The column to predict; `classes` in code order (binary: the second is the positive class), empty for regression."""

    name: str
    type: str
    classes: tuple[str, ...]


class Encoder:
    """Columns to a float32 matrix of shape (rows, width)."""

    def __init__(self, features: Sequence[Feature], label: Label):
        self.features = tuple(features)
        self.label = label
        self.columns = tuple(part for feature in self.features for part in feature.parts)
        self.width = len(self.columns)
        # Position of each encoded column's feature: sums over parts give figures per column.
        self.feature_of_column = numpy.repeat(
            numpy.arange(len(self.features)), [len(feature.parts) for feature in self.features]
        )
        self.codes = {
            feature.name: {value: float(code) for code, value in enumerate(feature.categories)}
            for feature in self.features
            if feature.kind == "category"
        }

    @property
    def is_categorical(self) -> list[bool]:
        """For each encoded column, whether its numbers are codes without an order."""
        return [feature.kind == "category" for feature in self.features for _ in feature.parts]

    @classmethod
    def fit(cls, table: pyarrow.Table, project: Project) -> Encoder:
        """The encoder of training rows; see `fit_parts`."""
        return cls.fit_parts([table], project)

    @classmethod
    def fit_parts(cls, tables: Iterable[pyarrow.Table], project: Project) -> Encoder:
        """The encoder of training rows that come in parts, of which one at a time is in memory.

        Raises JobError when there is no feature, or the label has no two classes.
        """
        if not project.features:
            raise JobError("got no feature column, expected at least one column of role 'feature' that is not pii")
        counts = {column.name: Counter() for column in project.features if column.type == "category"}
        classes: set[str] = set()
        for table in tables:
            for name, counter in counts.items():
                counter.update({entry["values"]: entry["counts"] for entry in table[name].value_counts().to_pylist()})
            if project.objective != "regression":
                classes.update(label_texts(table[project.label.name], project.label.type).unique().to_pylist())
        features = [
            Feature(column.name, column.type, column.nullable, _frequent_values(counts.get(column.name)))
            for column in project.features
        ]
        return cls(features, _fit_label(classes - {None}, project))

    def encode(self, table: pyarrow.Table) -> numpy.ndarray:
        """Shape (rows, width), float32, from a table with the types of `dataset.ARROW_TYPES`."""
        return self.encode_arrays(table.num_rows, lambda feature: self._from_arrow(feature, table[feature.name]))

    def encode_arrays(self, rows: int, numbers: Callable[[Feature], numpy.ndarray]) -> numpy.ndarray:
        """Shape (rows, width), float32, from one float64 array a feature, NaN for missing.

        number: values; boolean: 0, 1; category: codes; timestamp: microseconds; text: shape (2, rows), see `text_sizes`.
        """
        matrix = numpy.empty((rows, self.width), dtype=numpy.float32)
        position = 0
        with numpy.errstate(over="ignore"):  # beyond float32 a value is infinite for a moment
            for feature in self.features:
                values = numbers(feature)
                if feature.kind == "timestamp":
                    matrix[:, position : position + len(TIMESTAMP_PARTS)] = _timestamp_parts(values)
                elif feature.kind == "text":
                    matrix[:, position : position + len(TEXT_PARTS)] = values.T
                else:
                    matrix[:, position] = values
                position += len(feature.parts)
        numpy.clip(matrix, -_LARGEST, _LARGEST, out=matrix)
        matrix += 0.0  # in JSON -0 is the integer 0, in CSV the number -0.0
        return matrix

    def rest_code(self, feature: Feature) -> float:
        """The code of every value that has none of its own."""
        return float(len(feature.categories))

    def labels(self, table: pyarrow.Table) -> numpy.ndarray:
        """The label of each row, shape (rows,): a class code as float32, the value itself as float32 for regression.

        NaN where the label is missing or of no known class.
        """
        values = table[self.label.name]
        if not self.label.classes:
            return values.to_numpy().astype(numpy.float32)
        return class_codes(label_texts(values, self.label.type), self.label.classes)

    def to_json(self) -> str:
        """The content of `encoder.json`."""
        return json.dumps(
            {
                "schemaVersion": SCHEMA_VERSION,
                "features": [
                    {
                        "name": feature.name,
                        "kind": feature.kind,
                        "nullable": feature.nullable,
                        **({"categories": feature.categories} if feature.kind == "category" else {}),
                    }
                    for feature in self.features
                ],
                "label": {"name": self.label.name, "type": self.label.type, "classes": self.label.classes},
            },
            ensure_ascii=False,
        )

    @classmethod
    def from_json(cls, text: str) -> Encoder:
        """The inverse of `to_json`.

        Raises JobError for another schema version.
        """
        content = json.loads(text)
        if content["schemaVersion"] != SCHEMA_VERSION:
            raise JobError(
                f"got an encoder.json of schemaVersion {content['schemaVersion']}, expected {SCHEMA_VERSION}; train the model again"
            )
        features = [
            Feature(feature["name"], feature["kind"], feature["nullable"], tuple(feature.get("categories", ())))
            for feature in content["features"]
        ]
        label = content["label"]
        return cls(features, Label(label["name"], label["type"], tuple(label["classes"])))

    def _from_arrow(self, feature: Feature, values: pyarrow.ChunkedArray) -> numpy.ndarray:
        import pyarrow
        from pyarrow import compute

        if feature.kind == "category":
            codes = compute.index_in(values, value_set=pyarrow.array(feature.categories, pyarrow.string()))
            rest = pyarrow.scalar(len(feature.categories), pyarrow.int32())
            codes = compute.if_else(compute.is_null(values), None, compute.fill_null(codes, rest))
            return _float64(codes)
        if feature.kind == "text":
            spaces = compute.add(compute.count_substring(values, " "), 1)
            return numpy.stack([_float64(compute.utf8_length(values)), _float64(spaces)])
        return _float64(values)


def text_sizes(texts: Sequence[str | None]) -> numpy.ndarray:
    """Characters and words of each text, shape (2, rows), NaN for missing."""
    missing = float("nan")
    return numpy.array(
        [
            [missing if text is None else len(text) for text in texts],
            [missing if text is None else text.count(" ") + 1 for text in texts],
        ],
        dtype=numpy.float64,
    )


def label_texts(values: pyarrow.ChunkedArray, label_type: str) -> pyarrow.ChunkedArray:
    """Labels as texts, as answers and reports name them: true, 3, late."""
    import pyarrow

    if label_type in NUMERIC_TYPES:
        return values.cast(pyarrow.int64()).cast(pyarrow.string())
    return values.cast(pyarrow.string())


def class_codes(texts: pyarrow.ChunkedArray, classes: Sequence[str]) -> numpy.ndarray:
    """Position of each text among the classes, float32, NaN when it is missing or none of them."""
    import pyarrow
    from pyarrow import compute

    codes = compute.index_in(texts, value_set=pyarrow.array(classes, pyarrow.string()), skip_nulls=True)
    return codes.to_numpy().astype(numpy.float32)


def _fit_label(found: set[str], project: Project) -> Label:
    column = project.label
    if project.objective == "regression":
        if column.type not in NUMERIC_TYPES:
            raise JobError(
                f"got label '{column.name}' of type {column.type}, expected number or integer for regression"
            )
        return Label(column.name, column.type, ())
    if column.type not in ("boolean", "integer", "category"):
        raise JobError(
            f"got label '{column.name}' of type {column.type}, expected boolean, integer or category for {project.objective}"
        )
    classes = _ordered(found, column)
    if len(classes) < 2 or (project.objective == "binary" and len(classes) != 2):
        expected = "two" if project.objective == "binary" else "two or more"
        raise JobError(
            f"got {len(classes)} classes of label '{column.name}' in the training rows, expected {expected}; upload rows of each class"
        )
    return Label(column.name, column.type, classes)


def _ordered(found: set[str], column: Column) -> tuple[str, ...]:
    """Classes in the order of the project's `values` if it lists them, else of their numbers or letters."""
    if column.type == "integer":
        return tuple(sorted(found, key=int))
    if column.values is not None:
        return tuple(value for value in column.values if value in found)
    return tuple(sorted(found))


def _frequent_values(counts: Counter[str | None] | None) -> tuple[str, ...]:
    """Values with at least MINIMUM_CATEGORY_ROWS training rows, most frequent first, equals by their letters."""
    if counts is None:
        return ()
    kept = [(-rows, value) for value, rows in counts.items() if value is not None and rows >= MINIMUM_CATEGORY_ROWS]
    return tuple(value for _, value in sorted(kept)[:MAXIMUM_CATEGORIES])


def _float64(values: pyarrow.ChunkedArray) -> numpy.ndarray:
    """NaN for missing."""
    import pyarrow

    return values.cast(pyarrow.float64(), safe=False).to_numpy()


def _timestamp_parts(microseconds: numpy.ndarray) -> numpy.ndarray:
    """Shape (rows, 4) from float64 microseconds since 1970."""
    missing = numpy.isnan(microseconds)
    moments = numpy.where(missing, 0, microseconds).astype(numpy.int64)
    days = moments // _DAY
    dates = days.astype("datetime64[D]")
    parts = numpy.stack(
        [
            days,
            (dates - dates.astype("datetime64[Y]")).astype(numpy.int64) + 1,
            (days + 3) % 7 + 1,
            (moments - days * _DAY) // _MINUTE,
        ],
        axis=1,
    ).astype(numpy.float64)
    parts[missing] = numpy.nan
    return parts

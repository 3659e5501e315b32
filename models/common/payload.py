"""Requests to a model: JSON by rows, `{"instances": [{column: value}]}`, or by columns, `{"inputs": {column: [value]}}`,
as TensorFlow Serving calls them; JSON Lines; CSV with a header. No DataFrame.

By columns a request is a third as long, as names stand in it once, and is read in half the time. Rows become columns by
C loops of the standard library (chain, slices, split, array); only a column in which one of them meets something
unexpected is looked at value by value, which also finds the row to name.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Sequence
from itertools import chain

import numpy

from .encoder import Encoder, Feature, text_sizes
from .project import NUMERIC_TYPES, Project
from .values import BadValue, from_json, from_text
from .wire import (
    CSV_TYPE,
    JSON_LINES_TYPES,
    JSON_TYPE,
    BadRequest,
    csv_columns,
    fast_json,
    json_numbers,
    parse_json,
    text_of,
)

_NAN = float("nan")


class RequestReader:
    """Request bodies to the model's matrix."""

    def __init__(self, encoder: Encoder, project: Project):
        self._encoder = encoder
        self._known = frozenset(project.columns)
        self._required = [feature.name for feature in encoder.features if not feature.nullable]
        self._codes = {
            feature.name: _Codes(encoder.codes[feature.name], feature, encoder.rest_code(feature))
            for feature in encoder.features
            if feature.kind == "category"
        }

    def read(self, body: bytes, content_type: str) -> numpy.ndarray:
        """Shape (rows, width), float32.

        Raises BadRequest.
        """
        media_type = content_type.partition(";")[0].strip().lower() or JSON_TYPE
        if media_type == JSON_TYPE:
            return self._json_matrix(body)
        if media_type in JSON_LINES_TYPES:
            return self._matrix_of_rows(self._json_lines(text_of(body)))
        if media_type == CSV_TYPE:
            return self._csv_matrix(text_of(body))
        raise BadRequest(f"got content type '{media_type}', expected {JSON_TYPE}, {CSV_TYPE} or {JSON_LINES_TYPES[0]}")

    def _json_matrix(self, body: bytes) -> numpy.ndarray:
        content = parse_json(body, "body")
        rows, columns = (content.get("instances"), content.get("inputs")) if isinstance(content, dict) else (None, None)
        if isinstance(rows, list) and columns is None:
            return self._matrix_of_rows(rows)
        if isinstance(columns, dict) and rows is None:
            return self._matrix_of_columns(columns)
        raise BadRequest(
            'expected a JSON object {"instances": [{column: value}, ...]} or {"inputs": {column: [value, ...]}}'
        )

    def _json_lines(self, text: str) -> list[dict]:
        lines = [line for line in text.split("\n") if line.strip()]
        try:
            rows = fast_json("[" + ",".join(lines) + "]")
            if len(rows) == len(lines):
                return rows
        except ValueError:
            pass  # line by line finds the one that is wrong
        return [parse_json(line, f"row {number}") for number, line in enumerate(lines, 1)]

    def _matrix_of_rows(self, rows: list[dict]) -> numpy.ndarray:
        return self._encoded(self._columns(rows), len(rows), from_json)

    def _matrix_of_columns(self, columns: dict[str, list]) -> numpy.ndarray:
        if not columns:
            raise BadRequest("got no column, expected at least one")
        self._check_names(columns)
        for name, values in columns.items():
            if type(values) is not list:
                raise BadRequest(f"column '{name}': expected a list of values")
        (first, rows), *others = ((name, len(values)) for name, values in columns.items())
        for name, count in others:
            if count != rows:
                raise BadRequest(f"column '{name}': {count} values, expected {rows} as in '{first}'")
        if rows == 0:
            raise BadRequest("got no row, expected at least one")
        return self._encoded(columns, rows, from_json)

    def _columns(self, rows: list[dict]) -> dict[str, Sequence[object]]:
        """Values by column name."""
        if not rows:
            raise BadRequest("got no row, expected at least one")
        if set(map(type, rows)) != {dict}:
            number = next(number for number, row in enumerate(rows, 1) if type(row) is not dict)
            raise BadRequest(f"row {number}: expected a JSON object {{column: value}}")
        names = list(rows[0])
        # A row holds a name once: that all names in their order are those of the first row again and again says that
        # every row has the same.
        if list(chain.from_iterable(rows)) == names * len(rows):
            self._check_names(names, 1)
            values = list(chain.from_iterable(map(dict.values, rows)))
            return {name: values[place :: len(names)] for place, name in enumerate(names)}
        for number, row in enumerate(rows, 1):
            self._check_names(row, number)
        return {feature.name: [row.get(feature.name) for row in rows] for feature in self._encoder.features}

    def _check_names(self, names: Collection[str], row: int | None = None) -> None:
        where = "" if row is None else f"row {row}, "
        if not self._known.issuperset(names):
            unknown = next(name for name in names if name not in self._known)
            raise BadRequest(f"{where}column '{unknown}': the project has no such column")
        for name in self._required:
            if name not in names:
                raise BadRequest(f"{where}column '{name}': missing, but not nullable")

    def _csv_matrix(self, text: str) -> numpy.ndarray:
        columns = csv_columns(text)
        self._check_names(columns)
        return self._encoded(columns, len(next(iter(columns.values()))), from_text)

    def _encoded(self, columns: dict[str, Sequence[object]], rows: int, parse: Callable) -> numpy.ndarray:
        """The matrix of columns of one length. `parse` reads a value of any type, slowly."""
        numbers = self._number_arrays(columns, rows, json_numbers if parse is from_text else list)

        def array_of(feature: Feature) -> numpy.ndarray:
            values = columns.get(feature.name)
            if values is None:
                return _missing(feature, rows)
            found = self._category(feature, values) if feature.kind == "category" else numbers.get(feature.name)
            return self._by_value(feature, values, parse) if found is None else found

        return self._encoder.encode_arrays(rows, array_of)

    def _number_arrays(
        self, columns: dict[str, Sequence[object]], rows: int, json_values: Callable[[Sequence], list | None]
    ) -> dict[str, numpy.ndarray | None]:
        """By name, the columns of numbers that hold nothing else; None for one that does. `json_values` gives a column's
        values as JSON has them, or says None.
        """
        features = [feature for feature in self._encoder.features if feature.kind in NUMERIC_TYPES]
        lists = {
            feature: json_values(columns[feature.name]) for feature in features if columns.get(feature.name) is not None
        }
        together = _block(list(lists), list(lists.values()), rows)
        if together is not None:
            return {feature.name: values for feature, values in zip(lists, together, strict=True)}
        return {feature.name: _numbers(values, feature) for feature, values in lists.items()}

    def _category(self, feature: Feature, values: Sequence[object]) -> numpy.ndarray | None:
        """Codes; None when a value is neither a text nor a missing one that the feature allows."""
        try:
            return numpy.frombuffer(array("d", list(map(self._codes[feature.name].__getitem__, values))))
        except (BadValue, TypeError):
            return None

    def _by_value(self, feature: Feature, values: Sequence[object], parse) -> numpy.ndarray:
        parsed = []
        for number, value in enumerate(values, 1):
            try:
                parsed.append(parse(feature.kind, value))
            except BadValue as error:
                raise BadRequest(f"row {number}, column '{feature.name}': {error}") from error
        if not feature.nullable and None in parsed:
            raise BadRequest(f"row {parsed.index(None) + 1}, column '{feature.name}': missing, but not nullable")
        if feature.kind == "category":
            codes, rest = self._encoder.codes[feature.name], self._encoder.rest_code(feature)
            parsed = [_NAN if value is None else codes.get(value, rest) for value in parsed]
        elif feature.kind == "text":
            return text_sizes(parsed)
        return numpy.array(parsed, dtype=numpy.float64)  # None becomes NaN


class _Codes(dict):
    """Codes of a category's values as they come in JSON and CSV; what is no key is missing, unseen, or wrong."""

    def __init__(self, codes: dict[str, float], feature: Feature, rest: float):
        super().__init__(codes)
        self._rest = rest
        if feature.nullable:
            self[None] = self[""] = _NAN

    def __missing__(self, value: object) -> float:
        if type(value) is str and value != "":
            return self._rest
        raise BadValue  # the caller looks at the whole column by value


def _block(features: Sequence[Feature], lists: Sequence[list | None], rows: int) -> numpy.ndarray | None:
    """Columns of JSON numbers, (features, rows) float64; None when there is anything else, or a missing one."""
    if not lists:
        return None
    numbers = array("d")
    try:
        for values in lists:
            numbers.fromlist(values)
    except (TypeError, OverflowError):
        return None
    found = numpy.frombuffer(numbers).reshape(len(lists), rows)
    integers = found[[feature.kind == "integer" for feature in features]]
    if not numpy.isfinite(found).all() or (numpy.floor(integers) != integers).any():
        return None
    # A boolean came out as 0 or 1, so only there one can be.
    ones = zip(*(places.tolist() for places in numpy.nonzero((found == 0) | (found == 1))), strict=True)
    return None if any(type(lists[column][row]) is bool for column, row in ones) else found


def _numbers(values: list | None, feature: Feature) -> numpy.ndarray | None:
    """Float64 with NaN for None; None when there is anything that the feature does not allow."""
    if values is None:
        return None
    if None not in values:
        found = _block([feature], [values], len(values))
        return None if found is None else found[0]
    if not feature.nullable:
        return None
    present = [value for value in values if value is not None]
    found = _block([feature], [present], len(present))
    if found is None:
        return None
    whole = numpy.full(len(values), _NAN)
    whole[[value is not None for value in values]] = found[0]
    return whole


def _missing(feature: Feature, rows: int) -> numpy.ndarray:
    shape = (2, rows) if feature.kind == "text" else (rows,)
    return numpy.full(shape, _NAN)

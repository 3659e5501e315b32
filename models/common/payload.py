"""Requests to a model: JSON `{"instances": [{column: value}]}`, CSV with a header, JSON Lines. No DataFrame.

Rows become columns by C loops of the standard library (chain, slices, array); only a column in which one of them meets
something unexpected is looked at value by value, which also finds the row to name.
"""

from __future__ import annotations

import csv
import io
import json
from array import array
from collections.abc import Callable, Collection, Sequence
from itertools import chain

import numpy

from .encoder import Encoder, Feature, text_sizes
from .project import NUMERIC_TYPES, Project
from .values import BadValue, from_json, from_text


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


try:  # AWS's serving images answer with this error's status; ours reads the same attributes
    from sagemaker_inference.errors import BaseInferenceToolkitError
except ImportError:

    class BaseInferenceToolkitError(Exception):
        """Stands in where the toolkit is not installed."""

        def __init__(self, status_code: int, message: str, phrase: str):
            super().__init__(message)
            self.status_code = status_code
            self.message = message
            self.phrase = phrase


_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode
try:  # a quarter of the standard library's time; AWS's images come without it
    from orjson import loads as _loads
except ImportError:

    def _loads(content: bytes | str) -> object:
        return _decode(content if isinstance(content, str) else content.decode())


JSON_TYPE, CSV_TYPE, JSON_LINES_TYPES = (
    "application/json",
    "text/csv",
    ("application/jsonlines", "application/x-ndjson"),
)
_NAN = float("nan")


class BadRequest(BaseInferenceToolkitError):
    """A request that the client has to change: status 400, with the row (from 1) and the column in the text."""

    def __init__(self, message: str):
        super().__init__(400, message, "Bad Request")


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
            return self._matrix(self._json_rows(body))
        if media_type in JSON_LINES_TYPES:
            return self._matrix(self._json_lines(_text(body)))
        if media_type == CSV_TYPE:
            return self._csv_matrix(_text(body))
        raise BadRequest(f"got content type '{media_type}', expected {JSON_TYPE}, {CSV_TYPE} or {JSON_LINES_TYPES[0]}")

    def _json_rows(self, body: bytes) -> list[dict]:
        content = self._parse(body, "body")
        rows = content.get("instances") if isinstance(content, dict) else None
        if not isinstance(rows, list):
            raise BadRequest('expected a JSON object {"instances": [{column: value}, ...]}')
        return rows

    def _json_lines(self, text: str) -> list[dict]:
        lines = [line for line in text.split("\n") if line.strip()]
        try:
            rows = _loads("[" + ",".join(lines) + "]")
            if len(rows) == len(lines):
                return rows
        except ValueError:
            pass  # line by line finds the one that is wrong
        return [self._parse(line, f"row {number}") for number, line in enumerate(lines, 1)]

    def _parse(self, content: bytes | str, where: str) -> object:
        try:
            return _loads(content)
        except ValueError:
            pass  # the standard library reads numbers of any size, so that the column can be named
        try:
            return _decode(content if isinstance(content, str) else _text(content))
        except (ValueError, RecursionError) as error:
            raise BadRequest(f"{where}: no valid JSON: {error}") from error

    def _matrix(self, rows: list[dict]) -> numpy.ndarray:
        columns = self._columns(rows)
        return self._encoded(columns, len(rows), _numbers, from_json)

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

    def _check_names(self, names: Collection[str], row: int) -> None:
        if not self._known.issuperset(names):
            unknown = next(name for name in names if name not in self._known)
            raise BadRequest(f"row {row}, column '{unknown}': the project has no such column")
        for name in self._required:
            if name not in names:
                raise BadRequest(f"row {row}, column '{name}': missing, but not nullable")

    def _csv_matrix(self, text: str) -> numpy.ndarray:
        records = list(csv.reader(io.StringIO(text, newline="")))
        rows = [record for record in records[1:] if record]
        if not rows:
            raise BadRequest("got no row, expected a CSV header and at least one row")
        header = [name.removeprefix("\ufeff") for name in records[0]]
        self._check_names(header, 1)
        for number, row in enumerate(rows, 1):
            if len(row) != len(header):
                raise BadRequest(f"row {number}: {len(row)} fields, expected {len(header)} as in the header")
        columns = dict(zip(header, zip(*rows, strict=True), strict=True))
        return self._encoded(columns, len(rows), _numbers_of_texts, from_text)

    def _encoded(
        self, columns: dict[str, Sequence[object]], rows: int, numbers: Callable, parse: Callable
    ) -> numpy.ndarray:
        """The matrix. `numbers` reads a column of numbers fast, or says None; `parse` reads a value of any type."""

        def array_of(feature: Feature) -> numpy.ndarray:
            values = columns.get(feature.name)
            if values is None:
                return _missing(feature, rows)
            found = None
            if feature.kind == "category":
                found = self._category(feature, values)
            elif feature.kind in NUMERIC_TYPES:
                found = numbers(values, feature)
            return self._by_value(feature, values, parse) if found is None else found

        return self._encoder.encode_arrays(rows, array_of)

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


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(f"expected UTF-8, got byte {error.start} that is none") from error


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


def _numbers(values: Sequence[object], feature: Feature) -> numpy.ndarray | None:
    """Float64 with NaN for None; None when there is anything that the feature does not allow."""
    found = _doubles(values)
    if found is None or (not feature.nullable and numpy.isnan(found).any()):
        return None
    return _checked(found, feature, numpy.isinf)


def _doubles(values: Sequence[object]) -> numpy.ndarray | None:
    """Float64 with NaN for None; None when there is anything else than JSON numbers."""
    try:
        found = numpy.frombuffer(array("d", values))
    except OverflowError:
        return None
    except TypeError:
        try:
            found = numpy.frombuffer(array("d", [_NAN if value is None else value for value in values]))
        except (TypeError, OverflowError):
            return None
    # A boolean came out as 0 or 1, so only there one can be.
    if any(type(values[place]) is bool for place in numpy.flatnonzero((found == 0) | (found == 1)).tolist()):
        return None
    return found


def _numbers_of_texts(values: Sequence[str], feature: Feature) -> numpy.ndarray | None:
    together = "".join(values)
    if not together.isascii() or "_" in together:
        return None  # float() would take what is no number to us: 1_000, or digits of other scripts
    try:
        return _checked(
            numpy.frombuffer(array("d", list(map(float, values)))), feature, lambda found: ~numpy.isfinite(found)
        )
    except ValueError:
        return None


def _checked(found: numpy.ndarray, feature: Feature, wrong) -> numpy.ndarray | None:
    if wrong(found).any():
        return None
    if feature.kind == "integer" and not (numpy.isnan(found) | (numpy.floor(found) == found)).all():
        return None
    return found


def _missing(feature: Feature, rows: int) -> numpy.ndarray:
    shape = (2, rows) if feature.kind == "text" else (rows,)
    return numpy.full(shape, _NAN)

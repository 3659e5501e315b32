"""What a value of each column type may look like, in text (CSV) and in JSON: the one definition that the columnar
readers, the bad-row reports and the inference requests share. Standard library only, so that serving starts fast.

| type             | in memory                          |
| ---              | ---                                |
| number, integer  | float, finite                      |
| boolean          | bool                               |
| category, text   | str, not empty                     |
| timestamp        | int: microseconds since 1970 in UTC |

Missing is None: an empty CSV field, JSON null or an absent key, the empty text.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, timezone

TRUE_TEXTS = ("true", "True", "TRUE", "1")
FALSE_TEXTS = ("false", "False", "FALSE", "0")

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?:[T ](\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?(Z|[+-]\d{2}(?::?\d{2})?)?)?",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)

Value = float | bool | str | int | None

EXPECTED = {
    "number": "a finite number",
    "integer": "an integer",
    "boolean": "true or false",
    "category": "a text",
    "text": "a text",
    "timestamp": "an ISO 8601 time such as 2013-01-31T05:00:00Z",
}


class BadValue(ValueError):
    """A value that its column's type does not allow; the text says what was expected, never the value itself."""


def from_text(column_type: str, text: str | None) -> Value:
    """A CSV field as a value of the column's type.

    Raises BadValue.
    """
    if text is None or text == "":
        return None
    if column_type in ("category", "text"):
        return text
    if column_type == "timestamp":
        return parse_timestamp(text)
    stripped = text.strip()
    if column_type == "boolean":
        if stripped in TRUE_TEXTS:
            return True
        if stripped in FALSE_TEXTS:
            return False
        raise BadValue(f"expected {EXPECTED[column_type]}")
    if not _NUMBER.fullmatch(stripped):
        raise BadValue(f"expected {EXPECTED[column_type]}")
    return _finite(column_type, float(stripped))


def from_json(column_type: str, value: object) -> Value:
    """A JSON value as a value of the column's type: a number is no text, but a category may be a number.

    Raises BadValue.
    """
    if value is None or value == "":
        return None
    if column_type in ("category", "text"):
        return _category(value)
    if column_type == "boolean":
        if isinstance(value, bool):
            return value
    elif column_type == "timestamp":
        if isinstance(value, str):
            return parse_timestamp(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return _finite(column_type, float(value))
        except OverflowError:
            pass
    raise BadValue(f"expected {EXPECTED[column_type]}, got JSON {_json_kind(value)}")


def parse_timestamp(text: str) -> int:
    """Microseconds since 1970 in UTC; a time without an offset is UTC. Digits below a microsecond are cut.

    Raises BadValue.
    """
    match = _TIMESTAMP.fullmatch(text.strip())
    if not match:
        raise BadValue(f"expected {EXPECTED['timestamp']}")
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "0").ljust(6, "0")[:6]),
            tzinfo=timezone.utc,
        )
    except ValueError as error:
        raise BadValue(f"expected {EXPECTED['timestamp']}") from error
    return (moment - _EPOCH) // _MICROSECOND - _offset_microseconds(offset)


def _offset_microseconds(offset: str | None) -> int:
    if offset is None or offset == "Z":
        return 0
    digits = offset[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return (-minutes if offset[0] == "-" else minutes) * 60_000_000


def _finite(column_type: str, number: float) -> float:
    if not math.isfinite(number) or (column_type == "integer" and not number.is_integer()):
        raise BadValue(f"expected {EXPECTED[column_type]}")
    return number


def _category(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    raise BadValue(f"expected {EXPECTED['category']}, got JSON {_json_kind(value)}")


def _json_kind(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    kinds = {str: "string", int: "number", float: "number", list: "array", dict: "object"}
    return kinds.get(type(value), "null")

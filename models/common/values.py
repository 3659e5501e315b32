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
from decimal import Decimal

TRUE_TEXTS = ("true", "True", "TRUE", "1")
# Around a number, a boolean or a time; other blanks are no blanks.
BLANKS = " \t\n\v\f\r"
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
    stripped = text.strip(BLANKS)
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
    match = _TIMESTAMP.fullmatch(text.strip(BLANKS))
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
        if value.isascii() or _is_well_formed(value):
            return value
    elif isinstance(value, bool):
        return "true" if value else "false"
    elif isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number_text(number)
    raise BadValue(f"expected {EXPECTED['category']}, got JSON {_json_kind(value)}")


def _is_well_formed(text: str) -> bool:
    """Without halves of characters, which JSON can escape and UTF-8 cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def number_text(number: float) -> str:
    """A number that is a category, as JavaScript writes it: the checks of uploads and requests do.

    The rule is ECMAScript's Number::toString: the shortest digits, plain from 1e-6 to below 1e21.
    """
    if abs(number) < 2**53 and number.is_integer():
        return str(int(number))
    sign, parts, exponent = Decimal(repr(number)).as_tuple()
    digits = "".join(map(str, parts)).rstrip("0")
    point = len(parts) + exponent  # digits before the point
    minus = "-" if sign else ""
    if len(digits) <= point <= 21:
        return f"{minus}{digits.ljust(point, '0')}"
    if 0 < point <= 21:
        return f"{minus}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{minus}0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{minus}{digits[0]}{fraction}e{point - 1:+d}"


def _json_kind(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    kinds = {str: "string", int: "number", float: "number", list: "array", dict: "object"}
    return kinds.get(type(value), "null")

"""What comes and goes over the wire: texts of JSON and CSV, and the errors of a request. Knows no columns of a model."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Sequence

import numpy

try:  # AWS's images come without it
    import orjson
except ImportError:
    orjson = None
try:  # its servers answer with this error's status
    from sagemaker_inference.errors import BaseInferenceToolkitError
except ImportError:

    class BaseInferenceToolkitError(Exception):
        """Stands in where the toolkit is not installed."""

        def __init__(self, status_code: int, message: str, phrase: str):
            super().__init__(message)
            self.status_code = status_code
            self.message = message
            self.phrase = phrase


JSON_TYPE, CSV_TYPE, JSON_LINES_TYPES = (
    "application/json",
    "text/csv",
    ("application/jsonlines", "application/x-ndjson"),
)


class BadRequest(BaseInferenceToolkitError):
    """A request that the client has to change: status 400, with the row (from 1) and the column in the text."""

    def __init__(self, message: str):
        super().__init__(400, message, "Bad Request")

    def __str__(self) -> str:
        return self.message  # the toolkit's own text is all three arguments


class Refusal:
    """The answer to a request that the client has to change. A WSGI application, so that it is an answer to Flask."""

    status = 400
    content_type = JSON_TYPE

    def __init__(self, error: BadRequest):
        self.body = json.dumps({"error": str(error)}, ensure_ascii=False).encode()

    def __call__(self, environ: dict, start_response: Callable) -> list[bytes]:
        head = [("Content-Type", self.content_type), ("Content-Length", str(len(self.body)))]
        start_response(f"{self.status} Bad Request", head)
        return [self.body]


def refuse(error: BadRequest) -> Refusal:
    """What transform_fn answers a refused request with.

    AWS's XGBoost image serves one model by Flask and `sagemaker_containers`, for which every error of transform_fn is the
    server's, a 500 that rings the endpoint's alarm; what it returns is the answer. Servers that `sagemaker_inference` makes
    (several models behind one endpoint, AWS's PyTorch images) answer with the status of the error instead, so there it is raised.
    """
    flask = sys.modules.get("flask")
    if "sagemaker_inference.transformer" in sys.modules and not (flask and flask.has_request_context()):
        raise error
    return Refusal(error)


def text_of(body: bytes) -> str:
    """Raises BadRequest for what is no UTF-8."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(f"expected UTF-8, got byte {error.start} that is none") from error


def parse_json(content: bytes | str, where: str) -> object:
    """Raises BadRequest, which begins with `where`."""
    try:
        return fast_json(content)
    except ValueError:
        pass  # the standard library reads numbers of any size, so that the column can be named
    try:
        return _decode(content if isinstance(content, str) else text_of(content))
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{where}: no valid JSON: {error}") from error


def fast_json(content: bytes | str) -> object:
    """Raises ValueError, for some numbers beyond float64 too. The standard library takes four times as long as orjson."""
    if orjson is not None:
        return orjson.loads(content)
    try:
        return _decode(content if isinstance(content, str) else content.decode())
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def number_texts(numbers: numpy.ndarray, separator: str) -> str:
    """JSON numbers with digits that tell every float32 from its neighbours; `numbers` (rows,) float32, finite."""
    if orjson is not None:
        texts = orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY).decode()[1:-1]
        return texts if separator == "," else texts.replace(",", separator)
    # One format for all is a third faster than one for each.
    return (f"%.9g{separator}" * len(numbers) % tuple(numbers.tolist()))[: -len(separator)]


def csv_columns(text: str) -> dict[str, Sequence[str]]:
    """The fields of each column, all of one length, at least one.

    Raises BadRequest.
    """
    header, columns = plain_csv(text) or any_csv(text)
    if len(set(header)) < len(header):
        twice = next(name for place, name in enumerate(header) if name in header[:place])
        raise BadRequest(f"column '{twice}': twice in the header")
    return dict(zip(header, columns, strict=True))


def plain_csv(text: str) -> tuple[list[str], list[list[str]]] | None:
    """Header and columns of a CSV text without quotes, in which every line has as many fields; None for any other."""
    if '"' in text or "\r" in text:
        return None
    first, _, lines = text.removeprefix("\ufeff").rstrip("\n").partition("\n")
    header = first.split(",")
    if not lines or len(header) == 1:  # in one column an empty line is no row
        return None
    # Between the fields of two lines stands one that no line can have: if it comes at every such distance, and nowhere
    # else, all lines have as many fields as the header.
    fields = lines.replace("\n", ",\n,").split(",")
    distance = len(header) + 1
    ends = fields[len(header) :: distance]
    if len(fields) % distance != len(header) or len(ends) != lines.count("\n") or not set(ends) <= {"\n"}:
        return None
    return header, [fields[place::distance] for place in range(len(header))]


def any_csv(text: str) -> tuple[list[str], list[Sequence[str]]]:
    """Header and columns of any CSV text."""
    records = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    rows = [record for record in records[1:] if record]
    if not rows:
        raise BadRequest("got no row, expected a CSV header and at least one row")
    header = records[0]
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise BadRequest(f"row {number}: {len(row)} fields, expected {len(header)} as in the header")
    return header, list(zip(*rows, strict=True))


def json_numbers(texts: Sequence[str]) -> list | None:
    """The texts as JSON. What is no number there, such as `+1`, `.5` or an empty field, is left to others: None."""
    text = ",".join(texts)
    if "n" in text:
        return None  # null would be a missing value
    try:
        numbers = fast_json(f"[{text}]")
    except ValueError:
        return None
    return numbers if len(numbers) == len(texts) else None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode

"""The server that stands for AWS's: what becomes of what transform_fn does."""

from __future__ import annotations

import asyncio

from common.serve import Server, load_transform

import pytest

# Flask's responses are WSGI applications, too.
ANSWERS = """
class Response:
    def __call__(self, environ, start_response):
        start_response("418 I'm a teapot", [("Content-Type", "text/plain")])
        return [b"short ", b"and stout"]

def model_fn(model_dir): return None
def transform_fn(model, body, content_type, accept): return {result}
"""


@pytest.mark.parametrize(
    ("result", "answer"),
    [
        ("(body, 'text/csv')", (200, b"1", "text/csv")),
        ("'text'", (200, b"text", "application/json")),
        ("Response()", (418, b"short and stout", "text/plain")),
    ],
)
def test_a_result_is_a_body_with_its_type_or_a_wsgi_application(tmp_path, monkeypatch, result, answer):
    monkeypatch.syspath_prepend("")
    (tmp_path / "code").mkdir()
    program = f"answers_{abs(hash(result))}.py"
    (tmp_path / "code" / program).write_text(ANSWERS.replace("{result}", result))
    assert load_transform(tmp_path, program)(b"1", "text/csv", "application/json") == answer


def test_an_error_is_the_servers_whatever_it_says_of_itself():
    """AWS's XGBoost image reads no status from an error; neither may what is tried here before."""

    class Coded(Exception):
        status_code = 400

    def transform(*_: object) -> tuple[int, bytes, str]:
        raise Coded("mine")

    async def answer() -> tuple[int, bytes, str]:
        return Server(transform).answer(b"", "application/json", "*/*")

    assert asyncio.run(answer()) == (500, b'{"error": "Coded: mine"}', "application/json")

"""Inference with the deep tabular network: the two functions that SageMaker's inference toolkit calls."""

from __future__ import annotations

from pathlib import Path

from common.service import Service

from model import TabularModel


def model_fn(model_dir: str) -> Service:
    """Called once, when the container starts."""
    return Service(TabularModel.load(Path(model_dir)), Path(__file__).resolve().parent)


def transform_fn(service: Service, data: bytes | str, content_type: str, accept: str) -> tuple[str, str]:
    """Called for every request."""
    return service.answer(data, content_type, accept)

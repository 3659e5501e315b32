"""Inference with XGBoost: the two functions that SageMaker's inference toolkit calls."""

from __future__ import annotations

from pathlib import Path

from common.service import Service

from booster import XgboostModel


def model_fn(model_dir: str) -> Service:
    """Called once, when the container starts."""
    model = XgboostModel.load(Path(model_dir))
    model.prepare_for_requests()
    return Service(model, Path(__file__).resolve().parent)


def transform_fn(service: Service, data: bytes | str, content_type: str, accept: str) -> tuple[str, str]:
    """Called for every request."""
    return service.answer(data, content_type, accept)

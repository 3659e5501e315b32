"""Inference with XGBoost: the two functions that the serving toolkits of AWS's images call."""

from __future__ import annotations

from pathlib import Path

from common.service import Service
from common.wire import Refusal

from booster import XgboostModel


def model_fn(model_dir: str) -> Service:
    """Called once, when the container starts."""
    model = XgboostModel.load(Path(model_dir))
    model.prepare_for_requests()
    return Service(model, Path(__file__).resolve().parent)


def transform_fn(service: Service, data: bytes | str, content_type: str, accept: str) -> tuple[str, str] | Refusal:
    """Called for every request."""
    return service.respond(data, content_type, accept)

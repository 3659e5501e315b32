"""Bounds of hyperparameters: a job says at once what could only train nothing, or fail late."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from .container import JobError


def check_bounds(options: object, bounds: Mapping[str, tuple[float, float]]) -> None:
    """Each of these attributes is at least the first number and less than the second; None is not checked.

    Raises JobError naming the first that is not.
    """
    for name, (least, below) in bounds.items():
        value = getattr(options, name)
        if value is not None and not least <= value < below:
            upper = "" if below == inf else f" and less than {below:g}"
            raise JobError(f"got hyperparameter {name}={value}, expected {least:g} or more{upper}")

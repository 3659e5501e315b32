"""The project's settings: `project.json`, which lies beside the scripts in the code archive."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from .container import JobError

NUMERIC_TYPES = ("number", "integer")
# As in lambdas/contract/limits.ts (uploadLimits.labelMagnitude): squares of errors, and their sums, have to fit float32.
LARGEST_LABEL = 1e18


@dataclass(frozen=True)
class Column:
    """One column's settings; `minimum` and `maximum` are inclusive, `values` None allows any category."""

    name: str
    role: str
    type: str
    nullable: bool
    pii: bool
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Slice:
    """Every value of this column is evaluated apart."""

    column: str
    minimum_rows: int


@dataclass(frozen=True)
class Project:
    """The part of a project's settings that training, evaluation and inference read."""

    name: str
    objective: str
    format: str
    columns: dict[str, Column]
    maximum_bad_row_share: float
    hold_out: float
    hold_out_by_day: bool
    seed: int
    gate_metric: str
    slices: tuple[Slice, ...]

    @property
    def label(self) -> Column:
        labels = [column for column in self.columns.values() if column.role == "label"]
        if len(labels) != 1:
            names = [column.name for column in labels]
            raise JobError(f"got {len(labels)} label columns {names} in project.json, expected one")
        return labels[0]

    @property
    def time(self) -> Column | None:
        """When a row happened, if the project says so."""
        return next(
            (column for column in self.columns.values() if column.role == "time" and column.type == "timestamp"), None
        )

    @property
    def features(self) -> list[Column]:
        """Model inputs. Personal data is never among them, whatever its role says."""
        return [column for column in self.columns.values() if column.role == "feature" and not column.pii]

    @property
    def used(self) -> list[Column]:
        """All columns that are read: everything but the ignored ones."""
        return [column for column in self.columns.values() if column.role != "ignore"]


def load_project(folder: Path) -> Project:
    """Reads `project.json` of a code folder.

    Raises JobError when there is none.
    """
    file = folder / "project.json"
    if not file.is_file():
        raise JobError(f"got no {file}, expected the project's settings beside the scripts in the code archive")
    return parse_project(json.loads(file.read_text()))


def parse_project(settings: dict) -> Project:
    """A Project from the JSON of one `ProjectSettings` (lambdas/contract/settings.ts).

    Raises JobError for a hold-out by day without a time column.
    """
    training, gate, data = settings["training"], settings["gate"], settings["data"]
    project = Project(
        name=settings["name"],
        objective=settings["problem"]["objective"],
        format=data["format"],
        columns={name: _column(name, column) for name, column in data["columns"].items()},
        maximum_bad_row_share=data["quality"]["maximumBadRowShare"],
        hold_out=training["holdOut"],
        hold_out_by_day=training.get("holdOutBy") == "day",
        seed=training["seed"],
        gate_metric=gate["metric"],
        slices=tuple(Slice(slice_["column"], slice_["minimumRows"]) for slice_ in gate["slices"]),
    )
    if project.hold_out_by_day and project.time is None:
        raise JobError(
            "got training.holdOutBy 'day' without a time column, expected one: make it with time.timestamp()"
        )
    return project


def _column(name: str, settings: dict) -> Column:
    values = settings.get("values")
    minimum, maximum = settings.get("min"), settings.get("max")
    if settings["role"] == "label" and settings["type"] in NUMERIC_TYPES:
        minimum = max(-LARGEST_LABEL, -LARGEST_LABEL if minimum is None else minimum)
        maximum = min(LARGEST_LABEL, LARGEST_LABEL if maximum is None else maximum)
    return Column(
        name=name,
        role=settings["role"],
        type=settings["type"],
        nullable=settings["nullable"],
        pii=settings["pii"],
        minimum=minimum,
        maximum=maximum,
        values=None if values is None else tuple(values),
    )

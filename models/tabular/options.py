"""Hyperparameters of the network, with their defaults; a name or a value that is wrong is an error."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf

from common.container import JobError
from common.hyperparameters import check_bounds
from common.project import Project


@dataclass(frozen=True)
class Options:
    """TabM's sizes and the training's settings."""

    epochs: int = 60
    # Epochs without a better validation loss before training stops.
    patience: int = 8
    # Share of the training rows that early stopping watches. None: a tenth, of few rows a fifth (`share_to_watch`).
    validation_share: float | None = None
    # 0: about a hundredth of the training rows, between 128 and 8192.
    batch_size: int = 0
    learning_rate: float = 0.002
    weight_decay: float = 0.0003
    members: int = 16
    width: int = 192
    depth: int = 2
    embedding: int = 12
    bins: int = 48
    # With dropout, several GPUs draw other masks than one, and the same global batch no longer gives the same result.
    dropout: float = 0.0
    # none, or balanced: every class weighs the same.
    class_weights: str = "none"
    seed: int = 0


_KINDS = {"int": int, "float": float, "float | None": float, "str": str}
# With fewer, a tenth of the rows is too few to tell one epoch from another. HMDA (1,900 rows), ten seeds: AUC 0.834 when a
# fifth is watched, 0.825 when a tenth is; most of the difference is one seed that stopped far too early.
FEW_ROWS = 5000
# At least, and less than.
_BOUNDS = {
    "epochs": (1, inf),
    "patience": (1, inf),
    "validation_share": (0, 1),
    "batch_size": (0, inf),
    "learning_rate": (0, inf),
    "weight_decay": (0, inf),
    "members": (1, inf),
    "width": (1, inf),
    "depth": (1, inf),
    "embedding": (1, inf),
    "bins": (2, inf),
    "dropout": (0, 1),
}


def read_options(hyperparameters: dict[str, str], project: Project) -> Options:
    """Options from a job's hyperparameters.

    Raises JobError naming a hyperparameter that is unknown, of the wrong kind or out of its bounds.
    """
    kinds = {field.name: _KINDS[field.type] for field in fields(Options)}
    values: dict[str, object] = {"seed": project.seed}
    for name, text in hyperparameters.items():
        if name not in kinds:
            raise JobError(f"got the unknown hyperparameter '{name}', expected one of {', '.join(sorted(kinds))}")
        try:
            values[name] = kinds[name](text)
        except ValueError as error:
            raise JobError(f"got hyperparameter {name}='{text}', expected {kinds[name].__name__}") from error
    if values.get("class_weights", "none") not in ("none", "balanced"):
        raise JobError(f"got class_weights='{values['class_weights']}', expected none or balanced")
    options = Options(**values)
    check_bounds(options, _BOUNDS)
    return options


def batch_size(options: Options, rows: int) -> int:
    """Rows of one step, over all processes: a power of two unless the user chose."""
    wanted = options.batch_size or 2 ** max(7, min(13, (rows // 100).bit_length() - 1))
    return min(wanted, rows)


def share_to_watch(options: Options, rows: int) -> float:
    """Of so many training rows."""
    if options.validation_share is not None:
        return options.validation_share
    return 0.1 if rows >= FEW_ROWS else 0.2

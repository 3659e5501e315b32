"""Hyperparameters of the network, with their defaults; a name or a value that is wrong is an error."""

from __future__ import annotations

from dataclasses import dataclass, fields

from common.container import JobError
from common.project import Project


@dataclass(frozen=True)
class Options:
    """TabM's sizes and the training's settings."""

    epochs: int = 60
    # Epochs without a better validation loss before training stops.
    patience: int = 8
    # Share of the training rows that early stopping watches, chosen by their hash.
    validation_share: float = 0.1
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


def read_options(hyperparameters: dict[str, str], project: Project) -> Options:
    """Options from a job's hyperparameters.

    Raises JobError naming a hyperparameter that is unknown or of the wrong kind.
    """
    kinds = {field.name: {"int": int, "float": float, "str": str}[field.type] for field in fields(Options)}
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
    return Options(**values)


def batch_size(options: Options, rows: int) -> int:
    """Rows of one step, over all processes: a power of two unless the user chose."""
    wanted = options.batch_size or 2 ** max(7, min(13, (rows // 100).bit_length() - 1))
    return min(wanted, rows)

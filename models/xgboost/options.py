"""Hyperparameters: SageMaker carries strings, XGBoost ignores names it does not know; here a wrong one is an error."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import inf

from common.container import JobError
from common.hyperparameters import check_bounds
from common.project import Project

BOOSTER_PARAMETERS = frozenset(
    """alpha base_score booster colsample_bylevel colsample_bynode colsample_bytree device eta eval_metric gamma
    grow_policy huber_slope interaction_constraints lambda learning_rate max_bin max_cat_threshold max_cat_to_onehot
    max_delta_step max_depth max_leaves min_child_weight min_split_loss monotone_constraints nthread
    num_parallel_tree objective quantile_alpha reg_alpha reg_lambda sampling_method scale_pos_weight seed subsample
    tree_method tweedie_variance_power verbosity""".split()
)


# XGBoost's own 0.3 stops early with fewer and worse trees.
DEFAULT_ETA = 0.1


@dataclass(frozen=True)
class Options:
    """Settings of train.py that are not XGBoost's, with their defaults; `booster` holds XGBoost's."""

    num_round: int = 500
    early_stopping_rounds: int = 30
    # Share of the training rows that early stopping watches, chosen by their hash; 0 trains all rounds on all rows.
    validation_share: float = 0.1
    checkpoint_seconds: float = 20
    # auto, true, false: matrices in pages on disk. auto when the files would not fit into memory.
    external_memory: str = "auto"
    # Processes that share the rows; 0: one a GPU, or one.
    workers: int = 0
    max_bin: int = 256
    booster: dict[str, object] | None = None


_OWN = {
    "num_round": int,
    "early_stopping_rounds": int,
    "validation_share": float,
    "checkpoint_seconds": float,
    "external_memory": str,
    "workers": int,
}

# At least, and less than.
_BOUNDS = {
    "num_round": (1, inf),
    "early_stopping_rounds": (1, inf),
    "validation_share": (0, 1),
    "checkpoint_seconds": (0, inf),
    "workers": (0, inf),
}


def read_options(hyperparameters: dict[str, str], project: Project) -> Options:
    """Options from a job's hyperparameters.

    Raises JobError naming a hyperparameter that is unknown, no number or out of its bounds.
    """
    own: dict[str, object] = {}
    booster: dict[str, object] = {"seed": project.seed}
    if "learning_rate" not in hyperparameters:
        booster["eta"] = DEFAULT_ETA
    for name, text in hyperparameters.items():
        if name in _OWN:
            try:
                own[name] = _OWN[name](text)
            except ValueError as error:
                raise JobError(f"got hyperparameter {name}='{text}', expected a number") from error
        elif name in BOOSTER_PARAMETERS:
            booster[name] = _parsed(text)
        else:
            known = ", ".join(sorted([*_OWN, *BOOSTER_PARAMETERS]))
            raise JobError(f"got the unknown hyperparameter '{name}', expected one of {known}")
    if own.get("external_memory", "auto") not in ("auto", "true", "false"):
        raise JobError(f"got external_memory='{own['external_memory']}', expected auto, true or false")
    options = Options(max_bin=int(booster.get("max_bin", Options.max_bin)), booster=booster, **own)
    check_bounds(options, _BOUNDS)
    return options


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text

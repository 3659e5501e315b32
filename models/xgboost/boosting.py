"""The boosting loop: early stopping, log lines, checkpoints.

A resumed run has to end with the trees of an uninterrupted one. Without sampling a tree follows from the trees before
it, so a checkpoint of any round will do. With sampling it also follows from the state of XGBoost's random generators,
which no file holds: so the booster is made anew from its own bytes, with a new seed, every SEGMENT rounds, whether or
not the run is interrupted, and checkpoints are taken there.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from common.container import Terminated, deferred_termination, log, log_metric, write_atomically

import numpy
import xgboost
from options import Options

CHECKPOINT_FILE = "xgboost-checkpoint"
SEGMENT = 100
_LOG_EVERY_SECONDS = 1.0
_SAMPLING = ("subsample", "colsample_bytree", "colsample_bylevel", "colsample_bynode")
_MAXIMIZED = ("auc", "aucpr", "map", "ndcg", "pre")


@dataclass
class Early:
    """What early stopping remembers. `round` counts the rounds that are done."""

    round: int = 0
    best_round: int = 0
    best_score: float | None = None

    def note(self, score: float, maximize: bool) -> None:
        """Takes the watched metric after another round."""
        self.round += 1
        if self.best_score is None or (score > self.best_score if maximize else score < self.best_score):
            self.best_score, self.best_round = score, self.round


class Boosting:
    """Rounds until the watched metric (the last eval_metric) has not improved for `early_stopping_rounds`."""

    def __init__(
        self,
        parameters: dict[str, object],
        training: xgboost.DMatrix,
        watching: xgboost.DMatrix | None,
        options: Options,
        checkpoints: Path | None,
        start: xgboost.Booster | None = None,
    ):
        self._parameters = parameters
        self._training = training
        self._watching = watching
        self._options = options
        self._checkpoints = checkpoints
        trees = start.save_raw("ubj") if start else None
        # Each worker has its own rows, and the first one's say for all whose checkpoint it is.
        self._identity = xgboost.collective.broadcast(_identity(parameters, training, watching, trees), 0)
        self._early = Early(round=start.num_boosted_rounds()) if start else Early()
        self._last_round = self._early.round + options.num_round
        self._sampled = any(parameters.get(name, 1) != 1 for name in _SAMPLING)
        self._checkpoint: bytes | None = None
        self._booster = self._fresh_booster(trees)
        if start and watching is not None:
            # The model as it is may be the best that this run can do.
            self._early.best_round = self._early.round
            self._early.best_score, _ = self._watch()

    def run(self) -> xgboost.Booster:
        """The booster up to its best round."""
        self._resume()
        saved = logged = time.monotonic()
        with deferred_termination() as terminated:
            while not self._finished():
                if self._sampled and self._early.round % SEGMENT == 0 and self._early.round > 0:
                    self._begin_segment()
                score = self._round()
                now = time.monotonic()
                stopping = _any_worker(terminated())
                if stopping or now - saved >= self._options.checkpoint_seconds:
                    self._save_checkpoint()
                    saved = time.monotonic()
                if stopping:
                    raise Terminated
                if score is not None and now - logged >= _LOG_EVERY_SECONDS:
                    log(f"round {self._early.round}: {score:.6g}")
                    logged = now
        best = self._early.best_round if self._watching is not None else self._early.round
        log_metric("rounds", best)
        return self._booster[:best] if best < self._early.round else self._booster

    def _fresh_booster(self, trees: bytearray | None) -> xgboost.Booster:
        data = [self._training] if self._watching is None else [self._training, self._watching]
        seed = int(self._parameters["seed"]) + self._early.round
        return xgboost.Booster({**self._parameters, "seed": seed}, data, trees)

    def _begin_segment(self) -> None:
        trees = self._booster.save_raw("ubj")
        self._checkpoint = self._checkpoint_bytes(trees)
        self._booster = self._fresh_booster(trees)

    def _finished(self) -> bool:
        if self._early.round >= self._last_round:
            return True
        waited = self._early.round - self._early.best_round
        return self._watching is not None and waited >= self._options.early_stopping_rounds

    def _round(self) -> float | None:
        self._booster.update(self._training, self._early.round)
        if self._watching is None:
            self._early.round += 1
            return None
        score, maximize = self._watch()
        self._early.note(score, maximize)
        return score

    def _watch(self) -> tuple[float, bool]:
        """(the watched metric, whether more of it is better)."""
        line = self._booster.eval_set([(self._watching, "watched")], self._early.round)
        name, _, value = line.rsplit("\t", 1)[-1].removeprefix("watched-").partition(":")
        return float(value), name.split("@")[0] in _MAXIMIZED

    def _resume(self) -> None:
        file = None if self._checkpoints is None else self._checkpoints / CHECKPOINT_FILE
        if file is None or not file.is_file():
            return
        head, _, trees = file.read_bytes().partition(b"\n")
        state = json.loads(head)
        if state.pop("identity") != self._identity:
            log("the checkpoint belongs to other data or hyperparameters: not used")
            return
        self._early = Early(**state)
        self._booster = self._fresh_booster(bytearray(trees))
        log(f"resumed after round {self._early.round} from {file}")

    def _checkpoint_bytes(self, trees: bytearray) -> bytes:
        """State and trees in one file: a crash between two files would leave them apart."""
        state = json.dumps({"identity": self._identity, **asdict(self._early)})
        return state.encode() + b"\n" + trees

    def _save_checkpoint(self) -> None:
        if self._checkpoints is None or xgboost.collective.get_rank() != 0:
            return
        if not self._sampled:
            self._checkpoint = self._checkpoint_bytes(self._booster.save_raw("ubj"))
        if self._checkpoint is not None:
            write_atomically(self._checkpoints / CHECKPOINT_FILE, self._checkpoint)
            log(f"checkpoint in round {self._early.round}")


def _any_worker(flag: bool) -> bool:
    """Workers stop after the same round, or one would wait for the others for ever."""
    if xgboost.collective.get_world_size() == 1:
        return flag
    return bool(xgboost.collective.allreduce(numpy.array([int(flag)]), xgboost.collective.Op.MAX)[0])


def _identity(
    parameters: dict[str, object],
    training: xgboost.DMatrix,
    watching: xgboost.DMatrix | None,
    start: bytearray | None,
) -> str:
    """What a checkpoint must have been made with. The device may differ: an interrupted GPU run may go on without one."""
    kept = {name: value for name, value in parameters.items() if name not in ("device", "nthread")}
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode())
    digest.update(start or b"")
    for matrix in (training, watching):
        if matrix is not None:
            digest.update(f"{matrix.num_row()}x{matrix.num_col()}".encode())
            digest.update(matrix.get_label().tobytes())
    return digest.hexdigest()

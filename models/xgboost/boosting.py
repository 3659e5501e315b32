"""The boosting loop: early stopping, log lines, checkpoints. State lives in one place, so that a run can be resumed."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import xgboost
from options import Options

from common.container import Terminated, deferred_termination, log, log_metric, write_atomically

CHECKPOINT_FILE = "xgboost-checkpoint"
_LOG_EVERY_SECONDS = 1.0
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
    ):
        self._parameters = parameters
        self._training = training
        self._watching = watching
        self._options = options
        self._checkpoints = checkpoints
        self._identity = _identity(parameters, training, watching)
        self._early = Early()
        self._booster = xgboost.Booster(parameters, [training] if watching is None else [training, watching])

    def run(self) -> xgboost.Booster:
        """The booster up to its best round."""
        self._resume()
        saved = logged = time.monotonic()
        with deferred_termination() as terminated:
            while not self._finished():
                score = self._round()
                now = time.monotonic()
                if terminated() or now - saved >= self._options.checkpoint_seconds:
                    self._save_checkpoint()
                    saved = time.monotonic()
                if terminated():
                    raise Terminated
                if score is not None and now - logged >= _LOG_EVERY_SECONDS:
                    log(f"round {self._early.round}: {score:.6g}")
                    logged = now
        best = self._early.best_round if self._watching is not None else self._early.round
        log_metric("rounds", best)
        return self._booster[:best] if best < self._early.round else self._booster

    def _finished(self) -> bool:
        if self._early.round >= self._options.rounds:
            return True
        waited = self._early.round - self._early.best_round
        return self._watching is not None and waited >= self._options.early_stopping_rounds

    def _round(self) -> float | None:
        self._booster.update(self._training, self._early.round)
        if self._watching is None:
            self._early.round += 1
            return None
        line = self._booster.eval_set([(self._watching, "watched")], self._early.round)
        name, _, value = line.rsplit("\t", 1)[-1].removeprefix("watched-").partition(":")
        self._early.note(float(value), name.split("@")[0] in _MAXIMIZED)
        return float(value)

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
        self._booster.load_model(bytearray(trees))
        self._booster.set_param(self._parameters)
        log(f"resumed after round {self._early.round} from {file}")

    def _save_checkpoint(self) -> None:
        """State and trees in one file: a crash between two files would leave them apart."""
        if self._checkpoints is None:
            return
        state = json.dumps({"identity": self._identity, **asdict(self._early)})
        write_atomically(self._checkpoints / CHECKPOINT_FILE, state.encode() + b"\n" + self._booster.save_raw("ubj"))
        log(f"checkpoint after round {self._early.round}")


def _identity(parameters: dict[str, object], training: xgboost.DMatrix, watching: xgboost.DMatrix | None) -> str:
    """What a checkpoint must have been made with. The device may differ: an interrupted GPU run may go on without one."""
    kept = {name: value for name, value in parameters.items() if name not in ("device", "nthread")}
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode())
    for matrix in (training, watching):
        if matrix is not None:
            digest.update(f"{matrix.num_row()}x{matrix.num_col()}".encode())
            digest.update(matrix.get_label().tobytes())
    return digest.hexdigest()

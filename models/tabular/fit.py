"""The training loop: epochs, early stopping, a checkpoint after every epoch.

Every epoch seeds itself, so that a run that goes on from a checkpoint computes what an uninterrupted one would have:
the same bits on the CPU.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from common.container import log, write_atomically
from common.metrics import point_metrics

import numpy
import torch
from averaging import WeightAverage
from columns import Columns, batches, fits
from forward import Shape
from network import TabM, predictions
from options import Options, batch_size
from step import Acceleration, Stepper
from torch import distributed

CHECKPOINT_FILE = "tabular-checkpoint"
# Of what a checkpoint holds: one of another version is not used.
CHECKPOINT_VERSION = 2
_WATCHED = {"binary": "logLoss", "multiclass": "logLoss", "regression": "rmse"}


@dataclass(frozen=True)
class Process:
    """This process among those that torchrun started; one alone is rank 0 of 1."""

    rank: int
    world: int
    device: torch.device


class Fit:
    """One training run."""

    def __init__(
        self,
        shape: Shape,
        training: Columns,
        watching: Columns,
        objective: str,
        options: Options,
        process: Process,
        checkpoints: Path | None,
    ):
        self._objective, self._options, self._process = objective, options, process
        self._checkpoints = checkpoints
        self._identity = _identity(shape, training, options)
        size = batch_size(options, training.rows)
        self._share = max(size // process.world, 1)  # rows of a batch that are this process's
        self._size = self._share * process.world
        stays = fits(training, process.device)
        on_gpu = process.device.type == "cuda"
        self._training = training.to(process.device) if stays else training
        self._watching = watching
        torch.manual_seed(options.seed)
        self.network = TabM(shape).to(process.device)
        self._steps = training.rows // self._size
        self._average = WeightAverage(self.network, self._steps)
        self._optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=options.learning_rate,
            weight_decay=options.weight_decay,
            fused=on_gpu,
            capturable=on_gpu,
        )
        self._stepper = Stepper(
            self.network, self._optimizer, objective, Acceleration.of(process.device), process.world
        )
        self._epoch, self._best_epoch, self._best_score = 0, 0, math.inf
        self._best_weights = copy.deepcopy(self._average.network.state_dict())
        where = "the device" if stays else "host memory, sent in batches"
        log(
            f"{sum(weight.numel() for weight in self.network.parameters())} weights; batch {self._size}; "
            f"data {training.bytes / 1e6:.0f} MB in {where}; {process.world} x {process.device.type}"
        )

    def run(self) -> TabM:
        """The network with the averaged weights of its best epoch."""
        self._resume()
        while self._epoch < self._options.epochs and self._epoch - self._best_epoch < self._options.patience:
            started = time.perf_counter()
            loss = self._train_epoch()
            score = self._watch()
            seconds = time.perf_counter() - started
            log(
                f"epoch {self._epoch}: training loss {loss:.5f}, validation {_WATCHED[self._objective]} {score:.5f}, "
                f"{self._training.rows / seconds:.0f} rows/s"
            )
            self._save_checkpoint()
        self.network.load_state_dict(self._best_weights)
        return self.network

    def _train_epoch(self) -> float:
        """Mean loss of this process's rows."""
        self._epoch += 1
        torch.manual_seed(self._options.seed * 100_003 + self._epoch)
        device = self._training.device
        generator = torch.Generator(device).manual_seed(self._options.seed * 100_003 + self._epoch)
        order = torch.randperm(self._training.rows, generator=generator, device=device)
        order = order[: self._steps * self._size].view(self._steps, self._process.world, self._share)
        own = order[:, self._process.rank].reshape(-1)
        self.network.train()
        total = torch.zeros((), device=self._process.device)
        for step, batch in enumerate(batches(self._training, own, self._share, self._process.device), 1):
            total += self._stepper.step(batch)
            self._average.after_step(step)
        return float(total) / self._steps * self._process.world

    def _watch(self) -> float:
        if not self._watching.rows:
            self._keep_best(math.nan)
            return math.nan
        predicted = predictions(self._average.network, self._watching, self._objective).numpy()
        labels = self._watching.labels.cpu().numpy()
        score = self._agreed(float(point_metrics(self._objective, labels, predicted)[_WATCHED[self._objective]]))
        self._keep_best(score)
        return score

    def _agreed(self, score: float) -> float:
        """Rank 0's score, for all processes: were theirs to differ in the last bit, one might stop and the others wait for it."""
        if self._process.world == 1:
            return score
        shared = torch.tensor(score, dtype=torch.float64, device=self._process.device)
        distributed.broadcast(shared, 0)
        return float(shared)

    def _keep_best(self, score: float) -> None:
        """Without validation rows the last epoch is the best."""
        if math.isnan(score) or score < self._best_score:
            self._best_epoch, self._best_score = self._epoch, score
            self._best_weights = copy.deepcopy(self._average.network.state_dict())

    def _save_checkpoint(self) -> None:
        if self._checkpoints is None or self._process.rank != 0:
            return
        stream = io.BytesIO()
        state = {
            "identity": self._identity,
            "epoch": self._epoch,
            "best": (self._best_epoch, self._best_score),
            "weights": self.network.state_dict(),
            "average": self._average.network.state_dict(),
            "bestWeights": self._best_weights,
            "optimizer": self._optimizer.state_dict(),
        }
        torch.save(state, stream)
        write_atomically(self._checkpoints / CHECKPOINT_FILE, stream.getvalue())

    def _resume(self) -> None:
        file = None if self._checkpoints is None else self._checkpoints / CHECKPOINT_FILE
        if file is None or not file.is_file():
            return
        state = torch.load(file, map_location=self._process.device, weights_only=True)
        if state["identity"] != self._identity:
            log("the checkpoint belongs to other data or hyperparameters: not used")
            return
        self.network.load_state_dict(state["weights"])
        self._average.resume(state["average"], state["epoch"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._best_weights = state["bestWeights"]
        self._epoch = state["epoch"]
        self._best_epoch, self._best_score = state["best"]
        log(f"resumed after epoch {self._epoch} from {file}")


def class_weights(labels: numpy.ndarray, classes: int, kind: str) -> numpy.ndarray:
    """One weight a row, mean 1; `balanced` gives every class the same sum."""
    if kind == "none" or classes == 0:
        return numpy.ones(len(labels), dtype=numpy.float32)
    counts = numpy.bincount(labels.astype(numpy.int64), minlength=classes)
    present = (counts > 0).sum()
    return (len(labels) / (present * numpy.maximum(counts, 1)))[labels.astype(numpy.int64)].astype(numpy.float32)


def _identity(shape: Shape, training: Columns, options: Options) -> str:
    digest = hashlib.sha256(
        json.dumps([CHECKPOINT_VERSION, asdict(shape), asdict(options), training.rows], sort_keys=True).encode()
    )
    digest.update(training.labels.cpu().numpy().tobytes())
    return digest.hexdigest()

"""One optimization step, as fast as the machine allows: bf16, compiled, replayed as one CUDA graph, fused optimizer.

Each of these is given up, with a line in the log, when the machine cannot do it; the result stays the same. Running out
of memory halves the part of a batch that is computed at once, never the batch: its gradients are added up.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

from common.container import log

import torch
from columns import Columns
from torch import distributed, nn
from torch.nn import functional

WARM_UP_STEPS = 3


@dataclass(frozen=True)
class Acceleration:
    """What a step may use. `tuned`: the compiler tries many kernels for each product, its own among them, which take the
    passes around a product into it; that costs a minute or more at the start.
    """

    bf16: bool
    compiled: bool
    graph: bool
    tuned: bool = False

    @classmethod
    def of(cls, device: torch.device) -> Acceleration:
        on_gpu = device.type == "cuda"
        return cls(
            bf16=on_gpu and torch.cuda.is_bf16_supported(including_emulation=False), compiled=on_gpu, graph=on_gpu
        )


class Stepper:
    """Holds network, optimizer and the memory of a batch. `world` processes share each global batch evenly."""

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: str,
        acceleration: Acceleration,
        world: int = 1,
    ):
        self._network = network
        self._optimizer = optimizer
        self._loss = _LOSSES[loss]
        # What of it is left: the first step gives up what the machine cannot do.
        self.used = acceleration
        self._world = world
        self._parts = 1
        self._batch: Columns | None = None
        self._graph: torch.cuda.CUDAGraph | None = None
        self._total = torch.zeros((), device=next(network.parameters()).device)
        self._part_loss = self._plain_part_loss
        if acceleration.compiled:
            mode = "max-autotune-no-cudagraphs" if acceleration.tuned else None  # the graph is ours
            self._part_loss = torch.compile(self._plain_part_loss, dynamic=False, mode=mode)

    def step(self, batch: Columns) -> torch.Tensor:
        """Loss of this process's rows before the step, a tensor on the device that the next step overwrites."""
        while True:
            try:
                return self._step(batch)
            except torch.OutOfMemoryError:
                if self._parts >= batch.rows:
                    raise
                self._release()
                self._parts *= 2
                log(f"out of memory: a batch of {batch.rows} rows is now computed in {self._parts} parts")

    def _step(self, batch: Columns) -> torch.Tensor:
        if not self.used.graph:
            self._compute(batch)
            self._apply()
            return self._total
        if self._graph is None:
            self._capture(batch)
            if self._graph is None:
                return self._step(batch)
        self._batch.copy_from(batch)
        self._graph.replay()
        if self._world > 1:
            self._apply()
        return self._total

    def _compute(self, batch: Columns) -> None:
        """Gradients of the mean loss over the global batch."""
        self._optimizer.zero_grad(set_to_none=not self.used.graph)
        self._total.zero_()
        size = -(-batch.rows // self._parts)
        for start in range(0, batch.rows, size):
            part = batch.take(slice(start, start + size))
            summed = self._part_loss(part.numbers, part.codes, part.labels, part.weights)
            loss = summed / (batch.rows * self._world)
            loss.backward()
            self._total += loss.detach()

    def _apply(self) -> None:
        if self._world > 1:
            gradients = [weight.grad for weight in self._network.parameters()]
            flat = torch.cat([gradient.flatten() for gradient in gradients])
            distributed.all_reduce(flat)
            for gradient, part in zip(gradients, flat.split([each.numel() for each in gradients]), strict=True):
                gradient.copy_(part.view_as(gradient))
        self._optimizer.step()

    def _plain_part_loss(
        self, numbers: torch.Tensor, codes: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """Sum over rows of the mean over members."""
        with torch.autocast(labels.device.type, torch.bfloat16) if self.used.bf16 else contextlib.nullcontext():
            outputs = self._network(numbers, codes)
        return (self._loss(outputs.float(), labels).mean(dim=1) * weights).sum()

    def _capture(self, batch: Columns) -> None:
        """Records the step once; a replay starts hundreds of kernels with one call.

        The warm-up steps that CUDA wants are undone in place: the graph keeps the addresses of weights and moments.
        """
        self._batch = Columns(*(part.clone() for part in (batch.numbers, batch.codes, batch.labels, batch.weights)))
        saved = [weight.detach().clone() for weight in self._network.parameters()]
        moments = {
            id(weight): {name: value.clone() for name, value in self._optimizer.state[weight].items()}
            for weight in self._network.parameters()
            if weight in self._optimizer.state
        }
        try:
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(WARM_UP_STEPS):
                    self._compute(self._batch)
                    self._optimizer.step()
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            # Other threads may go on allocating: the one that sends the next batch, and NCCL's watchdog.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._compute(self._batch)
                if self._world == 1:
                    self._optimizer.step()
            self._graph = graph
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # a compiler or a driver that cannot: plain steps give the same result
            if self.used.compiled:
                log(f"not compiled: {_first_line(error)}")
                self.used = replace(self.used, compiled=False)
                self._part_loss = self._plain_part_loss
            else:
                log(f"no CUDA graph, steps are launched one by one: {_first_line(error)}")
                self.used = replace(self.used, graph=False)
        finally:
            self._undo(saved, moments)

    @torch.no_grad()
    def _undo(self, weights: list[torch.Tensor], moments: dict[int, dict[str, torch.Tensor]]) -> None:
        for weight, before in zip(self._network.parameters(), weights, strict=True):
            weight.copy_(before)
            for name, value in self._optimizer.state.get(weight, {}).items():
                if id(weight) in moments:
                    value.copy_(moments[id(weight)][name])
                else:
                    value.zero_()

    def _release(self) -> None:
        self._graph = None
        self._batch = None
        self._optimizer.zero_grad(set_to_none=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _binary(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    outputs = outputs.squeeze(2)
    return functional.binary_cross_entropy_with_logits(
        outputs, labels.unsqueeze(1).expand_as(outputs), reduction="none"
    )


def _multiclass(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    targets = labels.long().unsqueeze(1).expand(-1, outputs.shape[1])
    return functional.cross_entropy(outputs.transpose(1, 2), targets, reduction="none")


def _regression(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return (outputs.squeeze(2) - labels.unsqueeze(1)) ** 2


# (n, k, outputs), (n,) → (n, k)
_LOSSES = {"binary": _binary, "multiclass": _multiclass, "regression": _regression}


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"

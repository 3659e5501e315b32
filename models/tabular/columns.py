"""Training data as packed columns: numbers as float32, codes in the smallest integer that holds them.

Where they fit, they stay on the device, and a batch is one gather there. Where they do not, they stay in pinned memory,
and a worker gathers and sends the next batch while the device works on this one (double buffering).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from common.encoder import Encoder

import numpy
import torch

# Of the memory that is free on the device; the rest is for activations.
DEVICE_SHARE = 0.5


@dataclass(frozen=True)
class Columns:
    """numbers (n, F) float32, codes (n, C) integers, labels (n,) float32, weights (n,) float32."""

    numbers: torch.Tensor
    codes: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor

    @property
    def rows(self) -> int:
        return len(self.labels)

    @property
    def bytes(self) -> int:
        return sum(part.numel() * part.element_size() for part in self._parts)

    @property
    def device(self) -> torch.device:
        return self.labels.device

    @property
    def _parts(self) -> tuple[torch.Tensor, ...]:
        return self.numbers, self.codes, self.labels, self.weights

    def take(self, rows: torch.Tensor | slice) -> Columns:
        """The rows at these positions."""
        return Columns(*(part[rows] for part in self._parts))

    def to(self, device: torch.device) -> Columns:
        return Columns(*(part.to(device, non_blocking=True) for part in self._parts))

    def pinned(self) -> Columns:
        return Columns(*(part.pin_memory() for part in self._parts))

    def used_by(self, stream: torch.cuda.Stream) -> None:
        """Keeps the memory from being handed out again before this stream has read it."""
        for part in self._parts:
            part.record_stream(stream)

    def copy_from(self, other: Columns) -> None:
        """Into the same memory, which a captured graph reads."""
        for mine, others in zip(self._parts, other._parts, strict=True):
            mine.copy_(others, non_blocking=True)


def pack(matrix: numpy.ndarray, labels: numpy.ndarray, weights: numpy.ndarray, encoder: Encoder) -> Columns:
    """Columns from the encoder's matrix. A missing category gets the code after the rest's."""
    categorical = numpy.array(encoder.is_categorical)
    sizes = category_sizes(encoder)
    codes = numpy.empty((len(matrix), len(sizes)), dtype=_smallest_integer(max(sizes, default=1)))
    for place, column in enumerate(numpy.flatnonzero(categorical)):
        codes[:, place] = numpy.where(numpy.isnan(matrix[:, column]), sizes[place] - 1, matrix[:, column])
    return Columns(
        torch.from_numpy(numpy.ascontiguousarray(matrix[:, ~categorical])),
        torch.from_numpy(codes),
        torch.from_numpy(labels.astype(numpy.float32)),
        torch.from_numpy(weights.astype(numpy.float32)),
    )


def category_sizes(encoder: Encoder) -> list[int]:
    """Codes of each categorical column: its categories, the rest, missing."""
    return [len(feature.categories) + 2 for feature in encoder.features if feature.kind == "category"]


def fits(columns: Columns, device: torch.device) -> bool:
    """Whether the columns may stay on the device."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return columns.bytes <= free * DEVICE_SHARE


def batches(columns: Columns, order: torch.Tensor, size: int, device: torch.device) -> Iterator[Columns]:
    """Full batches of rows in this order, on the device; rows after the last full batch are left for another epoch."""
    starts = range(0, len(order) - size + 1, size)
    if columns.device.type == device.type:  # "cuda" is the same device as "cuda:0", and yet not equal to it
        for start in starts:
            yield columns.take(order[start : start + size])
        return
    stream = torch.cuda.Stream(device)
    # A thread begins on the first GPU, whichever this process has.
    with ThreadPoolExecutor(1, initializer=torch.cuda.set_device, initargs=(device,)) as worker:
        waiting = [worker.submit(_sent, columns, order[start : start + size], device, stream) for start in starts[:2]]
        for position in range(len(starts)):
            batch = waiting.pop(0).result()
            batch.used_by(torch.cuda.current_stream(device))
            if position + 2 < len(starts):
                start = starts[position + 2]
                waiting.append(worker.submit(_sent, columns, order[start : start + size], device, stream))
            yield batch


def _sent(columns: Columns, rows: torch.Tensor, device: torch.device, stream: torch.cuda.Stream) -> Columns:
    """Gathers into pinned memory and copies on a stream of its own; has arrived when this returns."""
    gathered = columns.take(rows.cpu()).pinned()
    with torch.cuda.stream(stream):
        batch = gathered.to(device)
    # The worker waits, not the device: the pinned memory has to live until the copy is done.
    stream.synchronize()
    return batch


def _smallest_integer(values: int) -> type:
    return numpy.uint8 if values <= 256 else numpy.int16 if values <= 32768 else numpy.int32

"""The least time that a card can take for a training step, from its data sheet: a roofline (Williams et al. 2009).

Counted per row, for a network of k members, D inputs, layers of width W, and one output:

* arithmetic: every matrix product is 2 operations a weight, and is done three times (forward, gradient of its inputs,
  gradient of its weights);
* memory: a layer reads its inputs and writes its outputs forward; backward it reads the outputs' gradients and its
  inputs, and writes the inputs' gradients. Everything else (scales, ReLU, loss) is taken to be fused into that, weights
  and optimizer are small against a batch, numbers are bf16.

What a step takes beyond the larger of the two is launches, unfused passes over memory, and matrices too small to fill
the card.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from forward import Shape

BYTES = 2


@dataclass(frozen=True)
class Card:
    """Dense bf16 operations and bytes a second, as NVIDIA's data sheets have them."""

    name: str
    operations: float
    bandwidth: float


CARDS = [
    Card("H200", 989e12, 4.8e12),
    Card("H100 PCIe", 756e12, 2.0e12),
    Card("H100", 989e12, 3.35e12),
    Card("A100", 312e12, 2.039e12),
    Card("L40S", 362e12, 0.864e12),
    Card("A10G", 70e12, 0.6e12),
    Card("L4", 121e12, 0.3e12),
    Card("T4", 65e12, 0.32e12),
]


def card_of(device_name: str) -> Card | None:
    """The data sheet of a device, by the name that CUDA reports."""
    return next((card for card in CARDS if all(word in device_name for word in card.name.split())), None)


def operations_per_row(shape: Shape) -> float:
    """Floating-point operations of one row in one training step."""
    inputs = (len(shape.bins) + len(shape.categories)) * shape.embedding
    bins = max(len(edges) for edges in shape.bins)  # one code a bin and one for missing
    products = len(shape.bins) * bins * shape.embedding
    sizes = [inputs, *[shape.width] * shape.depth, shape.outputs]
    products += shape.members * sum(a * b for a, b in pairwise(sizes))
    return 3 * 2 * products


def bytes_per_row(shape: Shape) -> float:
    """Bytes that one row moves to and from memory in one training step, at the least."""
    inputs = (len(shape.bins) + len(shape.categories)) * shape.embedding
    moved = 4 * len(shape.bins) + len(shape.categories) + 4  # the row itself
    moved += 3 * inputs * BYTES  # embeddings: written, read back for the gradient, their gradient written
    sizes = [shape.width] * shape.depth + [shape.outputs]
    first_outputs = shape.members * shape.width
    moved += (2 * inputs + 2 * first_outputs) * BYTES
    for a, b in pairwise(sizes):
        moved += shape.members * (3 * a + 2 * b) * BYTES
    return moved


def describe(shape: Shape, card: Card, rows_per_second: float) -> tuple[str, float]:
    """(the arithmetic in words, the share of the floor that the measured rate reaches)."""
    by_arithmetic = card.operations / operations_per_row(shape)
    by_memory = card.bandwidth / bytes_per_row(shape)
    floor = min(by_arithmetic, by_memory)
    limit = "memory bandwidth" if by_memory < by_arithmetic else "arithmetic"
    share = rows_per_second / floor
    words = (
        f"floor on {card.name}: {operations_per_row(shape) / 1e6:.2f} Mop a row / {card.operations / 1e12:.0f} Top/s = "
        f"{by_arithmetic / 1e6:.1f} M rows/s by arithmetic; {bytes_per_row(shape) / 1e3:.1f} kB a row / "
        f"{card.bandwidth / 1e12:.2f} TB/s = {by_memory / 1e6:.1f} M rows/s by memory; the limit is {limit}; "
        f"measured {rows_per_second / 1e6:.2f} M rows/s is {share:.0%} of it"
    )
    return words, share

"""What a compiled training step moves to and from memory, by the compiler's own count, against the floor's.

    python bench/gpu/traffic.py [--rows 8192]

Needs no GPU, but a C++ compiler. The passes are those that the compiler makes for a CPU; for a GPU it may take more of
them together, and more again where it tunes (`max-autotune`). The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), *(str(HERE.parent.parent / folder) for folder in ("models/tabular", "models"))]

from flights import encoder, generate
from floor import bytes_per_row

import numpy
import torch
from columns import category_sizes, pack
from forward import Shape
from network import TabM, quantile_bins
from step import Acceleration, Stepper
from torch._inductor import config
from torch._inductor.graph import GraphLowering

SHOWN = 1000  # bytes a row


def main() -> None:
    arguments = argparse.ArgumentParser()
    # The more rows, the less the weights count.
    arguments.add_argument("--rows", type=int, default=8192)
    rows = arguments.parse_args().rows
    passes = _count_passes()
    features, data = encoder(), generate(rows, seed=2)
    columns = pack(data.matrix, data.labels, numpy.ones(rows, dtype=numpy.float32), features)
    shape = Shape(
        bins=quantile_bins(data.matrix, features, 48), categories=category_sizes(features),
        outputs=1, members=16, width=192, depth=2, embedding=12, dropout=0.0,
    )  # fmt: skip
    network = TabM(shape)
    optimizer = torch.optim.AdamW(network.parameters())
    Stepper(network, optimizer, "binary", Acceleration(bf16=True, compiled=True, graph=False)).step(columns)
    moved = sum(passes.values()) / rows
    for name, size in passes.items():
        if size / rows >= SHOWN:
            print(f"{size / rows:10,.0f} bytes a row: {name}")
    floor = bytes_per_row(shape)
    print(
        f"{moved:10,.0f} bytes a row in all; the floor is {floor:,}: at most {floor / moved:.0%} of it can be reached"
    )
    print(
        json.dumps({"name": "traffic", "bytesPerRow": round(moved), "floor": floor, "share": round(floor / moved, 3)})
    )


def _count_passes() -> dict[str, int]:
    """Bytes that each pass of each graph reads and writes, filled in while the compiler works."""
    passes: dict[str, int] = {}
    config.force_disable_caches = True
    compile_graph = GraphLowering.compile_to_module

    def counted(graph: GraphLowering) -> object:
        module = compile_graph(graph)
        way = "backward" if graph.is_backward else "forward"
        for node in graph.scheduler.nodes:
            reads, writes = (
                [each.name for each in found] for found in (node.read_writes.reads, node.read_writes.writes)
            )
            size = node.get_read_write_buffers_sizes()
            passes[f"{way} {node.get_name()}: {', '.join(reads[:6])} → {', '.join(writes[:6])}"] = size
        return module

    GraphLowering.compile_to_module = counted
    return passes


if __name__ == "__main__":
    main()

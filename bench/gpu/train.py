"""How fast the network and XGBoost train on a GPU, against the same on the CPU, a plain PyTorch loop, and the card.

    python bench/gpu/train.py [--rows 5000000] [--seconds 20] [--report FILE]

(a) the network on all CPU cores; (b) a plain PyTorch loop on the GPU: DataLoader, fp32, one kernel after the other;
(c) ours. Needs torch and numpy, for the XGBoost part also xgboost; no network. Without a GPU it runs a small CPU
version, and calls it that. The last line is JSON.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "models"), str(ROOT / "models" / "tabular"), str(Path(__file__).resolve().parent)]

from common.container import cpu_count, log
from common.metrics import point_metrics
from flights import Rows, encoder, generate
from floor import card_of, describe

import numpy
import torch
from columns import batches, category_sizes, pack
from forward import Shape
from network import TabM, predictions, quantile_bins
from step import Acceleration, Stepper
from torch.utils.data import DataLoader, TensorDataset

# How near to the AUC of the true probabilities a model has to come.
TARGET_DISTANCE = 0.01
TEST_ROWS = 200_000
SMALL_ROWS, SMALL_BATCH, SMALL_SECONDS, SMALL_TEST_ROWS = 100_000, 2048, 10.0, 20_000
BATCH = 32_768
LEARNING_RATE = 0.002
CHECK_SHARE = 0.1  # of the rows, between two looks at the AUC
PLAIN = Acceleration(bf16=False, compiled=False, graph=False)


@dataclass
class Measured:
    """One way to train. The time of looks at the AUC and of the warm-up (compiling) is not counted."""

    rows_per_second: float
    seconds_to_target: float | None
    best_auc: float
    warm_up_seconds: float
    memory_gigabytes: float = 0.0
    utilisation: float | None = None
    # Of the acceleration that was meant: what the machine could not do.
    given_up: tuple[str, ...] = ()


class Bench:
    """Data, network and target that all ways share."""

    def __init__(self, rows: int, batch: int, seconds: float, test_rows: int):
        started = time.perf_counter()
        self.encoder = encoder()
        self.rows: Rows = generate(rows, seed=2)
        self.test_rows: Rows = generate(test_rows, seed=3)
        self.batch, self.seconds = batch, seconds
        ones = numpy.ones(rows, dtype=numpy.float32)
        self.training = pack(self.rows.matrix, self.rows.labels, ones, self.encoder)
        self.test = pack(self.test_rows.matrix, self.test_rows.labels, ones[:test_rows], self.encoder)
        self.shape = Shape(
            bins=quantile_bins(self.rows.matrix[:100_000], self.encoder, 48),
            categories=category_sizes(self.encoder),
            outputs=1, members=16, width=192, depth=2, embedding=12, dropout=0.0,
        )  # fmt: skip
        self.target = self.auc(self.test_rows.probabilities) - TARGET_DISTANCE
        log(
            f"{rows} rows and {test_rows} to test in {time.perf_counter() - started:.0f} s, {self.training.bytes / 1e6:.0f} MB "
            f"packed; target AUC {self.target:.4f}, the true probabilities' less {TARGET_DISTANCE}"
        )

    def auc(self, scores: numpy.ndarray) -> float:
        return point_metrics("binary", self.test_rows.labels, scores)["auc"]

    def network(self, device: torch.device) -> TabM:
        torch.manual_seed(4)
        return TabM(self.shape).to(device)

    def ours(self, device: torch.device, acceleration: Acceleration) -> Measured:
        """Packed columns on the device and the Stepper of models/tabular."""
        network = self.network(device)
        on_gpu = device.type == "cuda"
        optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, fused=on_gpu, capturable=on_gpu)
        stepper = Stepper(network, optimizer, "binary", acceleration)
        columns = self.training.to(device)
        warm_up = self._warm_up(lambda: stepper.step(columns.take(slice(0, self.batch))), network)
        orders: Iterator[torch.Tensor] | None = None

        def shuffled(rows: int) -> Iterator[torch.Tensor]:
            for epoch in count():
                generator = torch.Generator(device).manual_seed(epoch)
                yield from torch.randperm(columns.rows, generator=generator, device=device).split(rows)

        def run(rows: int) -> int:
            nonlocal orders
            orders = orders or shuffled(rows)
            order = next(orders)
            for batch in batches(columns, order, self.batch, device):
                stepper.step(batch)
            return len(order) // self.batch * self.batch

        used = asdict(stepper.used)
        given_up = tuple(name for name, meant in asdict(acceleration).items() if used[name] != meant)
        return replace(self._measure(network, run, device, warm_up), given_up=given_up)

    def plain(self, device: torch.device) -> Measured:
        """What a first PyTorch script does."""
        network = self.network(device)
        optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE)
        data = TensorDataset(self.training.numbers, self.training.codes, self.training.labels)
        on_gpu = device.type == "cuda"
        loader = DataLoader(
            data,
            self.batch,
            shuffle=True,
            drop_last=True,
            num_workers=min(8, cpu_count()) if on_gpu else 0,
            pin_memory=on_gpu,
        )
        batches_ = iter(loader)

        def step() -> int:
            nonlocal batches_
            try:
                numbers, codes, labels = next(batches_)
            except StopIteration:
                batches_ = iter(loader)
                numbers, codes, labels = next(batches_)
            numbers, codes, labels = numbers.to(device), codes.to(device), labels.to(device)
            optimizer.zero_grad()
            outputs = network(numbers, codes).squeeze(2)
            targets = labels.unsqueeze(1).expand_as(outputs)
            torch.nn.functional.binary_cross_entropy_with_logits(outputs, targets).backward()
            optimizer.step()
            return len(labels)

        def run(rows: int) -> int:
            started, done = time.perf_counter(), 0
            while done < rows and time.perf_counter() - started < self.seconds:
                done += step()
            return done

        warm_up = self._warm_up(step, network)
        return self._measure(network, run, device, warm_up)

    def _warm_up(self, step: Callable[[], object], network: TabM) -> float:
        """Seconds; the weights are put back."""
        before = copy.deepcopy(network.state_dict())
        started = time.perf_counter()
        for _ in range(3):
            step()
        _wait()
        with torch.no_grad():
            for name, value in network.state_dict().items():
                value.copy_(before[name])
        return time.perf_counter() - started

    def _measure(self, network: TabM, run: Callable[[int], int], device: torch.device, warm_up: float) -> Measured:
        """Trains in pieces until the time is over, and looks at the AUC between them."""
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        spent, done, best, reached = 0.0, 0, 0.0, None
        piece = max(int(self.training.rows * CHECK_SHARE), self.batch)
        with Utilisation(device) as utilisation:
            while spent < self.seconds:
                network.train()
                utilisation.pause(False)
                started = time.perf_counter()
                done += run(piece)
                _wait()
                spent += time.perf_counter() - started
                utilisation.pause(True)
                best = max(best, self.auc(predictions(network, self.test, "binary").numpy()))
                if reached is None and best >= self.target:
                    reached = spent
        memory = torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else 0.0
        return Measured(done / spent, reached, best, warm_up, memory, utilisation.mean)


class Utilisation:
    """Mean of what nvidia-smi says while it is not paused; None without a GPU."""

    def __init__(self, device: torch.device):
        self._on_gpu = device.type == "cuda"
        self._paused = True
        self._values: list[float] = []

    def pause(self, paused: bool) -> None:
        self._paused = paused

    @property
    def mean(self) -> float | None:
        return sum(self._values) / len(self._values) if self._values else None

    def __enter__(self) -> Utilisation:
        if self._on_gpu:
            query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "200"]
            self._process = subprocess.Popen(query, stdout=subprocess.PIPE, text=True)
            threading.Thread(target=self._read, daemon=True).start()
        return self

    def _read(self) -> None:
        for line in self._process.stdout:
            if not self._paused and line.strip().isdigit():
                self._values.append(float(line))

    def __exit__(self, *_: object) -> None:
        if self._on_gpu:
            self._process.terminate()
            self._process.wait()


def boosting(bench: Bench, device: str, rounds: int) -> Measured:
    """XGBoost with the encoder's matrix; a row counts once a round."""
    import xgboost

    kinds = ["c" if categorical else "q" for categorical in bench.encoder.is_categorical]
    started = time.perf_counter()
    data = xgboost.QuantileDMatrix(bench.rows.matrix, bench.rows.labels, feature_types=kinds, enable_categorical=True)
    parameters = {"objective": "binary:logistic", "device": device, "nthread": cpu_count(), "max_depth": 8}
    booster = xgboost.Booster(parameters, [data])
    booster.update(data, 0)
    warm_up = time.perf_counter() - started
    started = time.perf_counter()
    done = 1
    while done < rounds and time.perf_counter() - started < bench.seconds:
        booster.update(data, done)
        done += 1
    spent = time.perf_counter() - started
    auc = bench.auc(booster.inplace_predict(bench.test_rows.matrix))
    return Measured(len(bench.rows.labels) * (done - 1) / spent, None, auc, warm_up)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rows", type=int)
    arguments.add_argument("--seconds", type=float, help="of training, for each way")
    arguments.add_argument("--report", type=Path)
    chosen = arguments.parse_args()
    torch.set_num_threads(cpu_count())
    gpu = torch.device("cuda", 0) if torch.cuda.is_available() else None
    name = torch.cuda.get_device_name() if gpu else "no GPU"
    if gpu:
        bench = Bench(chosen.rows or 5_000_000, BATCH, chosen.seconds or 20, TEST_ROWS)
    else:
        log("NO GPU: this is the small CPU version; its figures say nothing about a GPU")
        bench = Bench(chosen.rows or SMALL_ROWS, SMALL_BATCH, chosen.seconds or SMALL_SECONDS, SMALL_TEST_ROWS)
    cpu = torch.device("cpu")
    log(f"{name}; {cpu_count()} CPU cores; torch {torch.__version__}; batch {bench.batch}")
    ways: dict[str, Measured] = {}

    def measure(title: str, way: Callable[[], Measured]) -> None:
        ways[title] = way()
        log(f"{title}: {_sentence(ways[title])}")

    if gpu:
        acceleration = Acceleration.of(gpu)
        measure("(c) ours, GPU", lambda: bench.ours(gpu, acceleration))
        measure("(c) ours, tuned kernels, GPU", lambda: bench.ours(gpu, replace(acceleration, tuned=True)))
        measure("(b) plain PyTorch loop, GPU", lambda: bench.plain(gpu))
        measure(f"(a) the same on {cpu_count()} CPU cores", lambda: bench.ours(cpu, PLAIN))
    else:
        measure("(b) plain PyTorch loop, CPU", lambda: bench.plain(cpu))
        measure("(c) ours, CPU", lambda: bench.ours(cpu, PLAIN))
    results = [result for title, way in ways.items() for result in _results(title, way)]
    if gpu:
        for title, way in list(ways.items())[1:]:
            times = ways["(c) ours, GPU"].rows_per_second / way.rows_per_second
            log(f"(c) is {times:.1f} times {title}")
            results.append({"metric": f"(c) against {title}", "value": round(times, 1), "unit": "times"})
        card = card_of(name)
        if card is None:
            log(f"no floor: floor.py has no data sheet of {name}")
        for title in [title for title in ways if card and title.startswith("(c)")]:
            words, share = describe(bench.shape, card, ways[title].rows_per_second)
            log(f"{title}: {words}")
            results.append({"metric": f"share of the floor, {title}", "value": round(share, 3), "unit": ""})
    for device in ["cuda", "cpu"] if gpu else ["cpu"]:
        try:
            way = boosting(bench, device, rounds=200)
        except Exception as error:  # not installed, or a build without CUDA: the rest of the bench stands
            log(f"XGBoost on {device} not measured: {str(error).strip().partition(chr(10))[0][:160]}")
            continue
        log(f"XGBoost on {device}: {_sentence(way)}")
        results.append(
            {
                "metric": f"rows times rounds per second, XGBoost on {device}",
                "value": round(way.rows_per_second),
                "unit": "rows/s",
            }
        )
    line = json.dumps(
        {"name": "gpu", "device": name, "small": gpu is None, "targetAuc": round(bench.target, 4), "results": results}
    )
    if chosen.report:
        chosen.report.write_text(line)
    print(line)


def _results(title: str, way: Measured) -> list[dict]:
    """What was measured of one way; a target that was not reached and a GPU that was not used have no entry."""
    without = {"without": list(way.given_up)} if way.given_up else {}
    values = [
        ("rows per second", round(way.rows_per_second), "rows/s"),
        ("seconds to the target AUC", way.seconds_to_target, "s"),
        ("best AUC", round(way.best_auc, 4), ""),
        ("GPU utilisation", way.utilisation, "%"),
        ("peak memory of the GPU", way.memory_gigabytes or None, "GB"),
    ]
    return [
        {"metric": f"{metric}, {title}", "value": round(value, 4), "unit": unit, **without}
        for metric, value, unit in values
        if value is not None
    ]


def _sentence(way: Measured) -> str:
    reached = "" if way.seconds_to_target is None else f", target AUC after {way.seconds_to_target:.1f} s"
    memory = f", {way.memory_gigabytes:.1f} GB" if way.memory_gigabytes else ""
    without = f", WITHOUT {' and '.join(way.given_up)}" if way.given_up else ""
    used = f", GPU busy {way.utilisation:.0f} %" if way.utilisation is not None else ""
    return f"{way.rows_per_second:,.0f} rows/s{reached}, best AUC {way.best_auc:.4f}, warm-up {way.warm_up_seconds:.1f} s{memory}{used}{without}"


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()

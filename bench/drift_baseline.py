"""What bench/drift.ts is compared with: the same counts and statistics by numpy and scipy. Prints JSON.

Usage: drift_baseline.py FEATURES ROWS REPETITIONS
"""

import json
import math
import sys
import time

import numpy as np
from scipy import stats
from scipy.spatial.distance import jensenshannon

EDGES = np.arange(1.0, 10.0)
VALUES = {f"v{value}": value for value in range(8)}


def main() -> None:
    features, rows, repetitions = (int(argument) for argument in sys.argv[1:])
    records = make_rows(features, rows)
    count_seconds = fastest(lambda: count(records, features), repetitions)
    now = count(records, features)
    before = [np.array([5000] * 10 + [0] if index % 2 == 0 else [6000] * 8 + [2000, 0]) for index in range(features)]
    measure_seconds = fastest(lambda: measure(before, now), repetitions)
    print(json.dumps({"rowsPerSecond": rows / count_seconds, "measureMs": measure_seconds * 1000}))


def make_rows(features: int, rows: int) -> list[dict[str, float | str]]:
    def value(row: int, index: int) -> float:
        return (((row * 31 + index * 17) * 0.6180339887498949) % 1) * 10

    return [
        {
            f"f{index}": value(row, index) if index % 2 == 0 else f"v{math.floor(value(row, index))}"
            for index in range(features)
        }
        for row in range(rows)
    ]


def count(records: list[dict[str, float | str]], features: int) -> list[np.ndarray]:
    vectors = []
    for index in range(features):
        name = f"f{index}"
        if index % 2 == 0:
            column = np.array([record[name] for record in records], dtype=float)
            present = column[~np.isnan(column)]
            bins = np.bincount(np.searchsorted(EDGES, present, side="left"), minlength=10)
            vectors.append(np.append(bins, len(column) - len(present)))
        else:
            codes = np.array([VALUES.get(record[name], 8) for record in records])
            vectors.append(np.append(np.bincount(codes, minlength=9), 0))
    return vectors


def measure(before: list[np.ndarray], now: list[np.ndarray]) -> list[tuple[float, ...]]:
    tail = 0.01 / (len(before) + 1)
    positions = np.arange(0.5, 10.0)
    results = []
    for index, (a, b) in enumerate(zip(before, now, strict=True)):
        occupied = a + b > 0
        p, q = a[occupied] + 0.5, b[occupied] + 0.5
        p, q = p / p.sum(), q / q.sum()
        psi = ((q - p) * np.log(q / p)).sum()
        bound = (1 / a.sum() + 1 / b.sum()) * stats.chi2.isf(tail, occupied.sum() - 1)
        distance = jensenshannon(a, b, base=2)
        p_value = stats.chi2_contingency(np.array([a[occupied], b[occupied]]), correction=False).pvalue
        ks = wasserstein = 0.0
        if index % 2 == 0:
            x, y = a[:-1] / a[:-1].sum(), b[:-1] / b[:-1].sum()
            ks = np.abs(np.cumsum(x) - np.cumsum(y)).max()
            deviation = np.sqrt(np.average((positions - np.average(positions, weights=x)) ** 2, weights=x))
            wasserstein = stats.wasserstein_distance(positions, positions, x, y) / deviation
        results.append((psi, bound, distance, p_value, ks, wasserstein))
    return results


def fastest(work, repetitions: int) -> float:
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    main()

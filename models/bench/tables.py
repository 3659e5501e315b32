"""Predicting alone, without requests: trees as tables against XGBoost's own predictor, in turns in one process.

    python models/bench/tables.py FOLDER

FOLDER is what `inference.py --keep FOLDER` left. The last line is JSON: medians in milliseconds for 1 and 1,000 rows.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy

TURNS = 60
SECONDS = 0.02


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    code = folder / "model" / "code"
    sys.path.insert(0, str(code))
    from common.payload import RequestReader
    from common.project import load_project
    from common.wire import JSON_TYPE

    from booster import XgboostModel
    from tree_tables import TreeTables

    model = XgboostModel.load(folder / "model")
    matrix = RequestReader(model.encoder, load_project(code)).read(
        (folder / "request-1000-by-columns.json").read_bytes(), JSON_TYPE
    )
    one_thread = model.booster.copy()
    one_thread.set_param({"nthread": 1})
    tables = TreeTables.of(model.booster)
    if tables is None:
        raise SystemExit("got a booster that tables cannot hold, expected one that they do")
    predictors = {
        "tables": tables.predict,
        "XGBoost, one thread": lambda rows: one_thread.inplace_predict(rows, validate_features=False),
        "XGBoost, all threads": lambda rows: model.booster.inplace_predict(rows, validate_features=False),
    }
    result = {}
    for rows in (1, len(matrix)):
        part = numpy.ascontiguousarray(matrix[:rows])
        times: dict[str, list[float]] = {name: [] for name in predictors}
        for _ in range(TURNS):
            for name, predict in predictors.items():
                times[name].append(_milliseconds(lambda predict=predict, part=part: predict(part)))
        result[rows] = {name: round(median(each), 4) for name, each in times.items()}
    print(json.dumps({"trees": len(one_thread.get_dump()), "milliseconds": result}))


def _milliseconds(call: Callable[[], object]) -> float:
    """The mean of calls for SECONDS."""
    started, calls = time.perf_counter(), 0
    while time.perf_counter() - started < SECONDS:
        call()
        calls += 1
    return (time.perf_counter() - started) / calls * 1000


if __name__ == "__main__":
    main()

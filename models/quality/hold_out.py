"""The table of docs/decisions/0009: how much of a candidate's lead over the champion is in the split that judges them?

    python models/quality/hold_out.py

Flights of 2013. A champion is trained on some months, a candidate on them and the next, or on a window moved on by a
month. Both are judged on a fifth of the candidate's months, drawn by rows or by days, and on the month after.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy
import xgboost

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from common.metrics import point_metrics
from common.split import days_of
from common.watching import Watching

from data import flights
from table import Trial

WINDOWS = [
    *[((month,), (month, month + 1)) for month in range(1, 7)],
    *[((month, month + 1), (month + 1, month + 2)) for month in (1, 3, 5)],
]
SHARE, DRAWS = 0.2, 3


class Flights:
    """January to August, encoded alike."""

    def __init__(self):
        with tempfile.TemporaryDirectory() as folder:
            trial = Trial(flights(10**9), 0, Path(folder))
            self.table, self.project = trial.table, trial.project
        self.matrix, self.labels = trial.training, trial.labels
        self.kinds = ["c" if categorical else "q" for categorical in trial.encoder.is_categorical]
        self.days = days_of(self.table, self.project)
        self.months = self.days.astype("datetime64[D]").astype("datetime64[M]").astype(int) % 12 + 1

    def trained(self, rows: numpy.ndarray):
        """A function from rows to their AUC, by a model of these rows (both bool)."""
        places = numpy.flatnonzero(rows)
        table = self.table.take(places)
        watched = Watching.of(table, self.project, 0.1).among(table)
        data = self._matrix(places[~watched])
        settings = {"objective": "binary:logistic", "eval_metric": ["auc", "logloss"], "eta": 0.1}
        booster = xgboost.train(
            settings,
            data,
            500,
            evals=[(self._matrix(places[watched], data), "watched")],
            early_stopping_rounds=30,
            verbose_eval=False,
        )

        def auc(judged: numpy.ndarray) -> float:
            scores = booster.inplace_predict(self.matrix[judged], iteration_range=(0, booster.best_iteration + 1))
            return point_metrics("binary", self.labels[judged], scores)["auc"]

        return auc

    def held_out(self, by: str, seed: int) -> numpy.ndarray:
        random = numpy.random.default_rng(seed)
        if by == "rows":
            return random.random(len(self.days)) < SHARE
        days = numpy.unique(self.days)
        return numpy.isin(self.days, days[random.random(len(days)) < SHARE])

    def _matrix(self, places: numpy.ndarray, like: xgboost.DMatrix | None = None) -> xgboost.QuantileDMatrix:
        return xgboost.QuantileDMatrix(
            self.matrix[places],
            self.labels[places],
            feature_types=self.kinds,
            enable_categorical=True,
            ref=like,
        )


def main() -> None:
    data = Flights()
    print("| champion | candidate | by | judged: candidate | lead | month after: candidate | lead |")
    for champion, candidate in WINDOWS:
        after = data.months == candidate[-1] + 1
        for by in ("rows", "days"):
            results = []
            for seed in range(DRAWS):
                hidden = data.held_out(by, seed)
                old, new = (data.trained(numpy.isin(data.months, part) & ~hidden) for part in (champion, candidate))
                judged = numpy.isin(data.months, candidate) & hidden
                results.append((new(judged), new(judged) - old(judged), new(after), new(after) - old(after)))
            auc, lead, auc_after, lead_after = numpy.mean(results, axis=0)
            print(
                f"| {champion} | {candidate} | {by} | {auc:.4f} | {lead:+.4f} | {auc_after:.4f} | {lead_after:+.4f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

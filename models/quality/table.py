"""The quality table of docs/models.md: our two models against scikit-learn's and XGBoost's defaults, on public data.

    python models/quality/table.py [--seeds 5] [--first 0] [--rows 30000] [--tasks flights movielens hmda] [--models ...]

Hours with all rows, most of them the network's on a CPU; `--rows` limits the training rows.

Ours run as the platform runs them: train.py as a process, with its own defaults. Every model sees the same training
rows, encoded alike, and is scored on the same test rows.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy

MODELS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(MODELS))

from common.dataset import read_dataset
from common.encoder import Encoder
from common.metrics import point_metrics
from common.project import Project, parse_project

from data import TASKS, Task

CATEGORIES_OF_HISTOGRAMS = 255  # HistGradientBoosting's limit; columns with more values are ordered codes to it


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--first", type=int, default=0, help="the first seed: to share seeds among machines")
    arguments.add_argument("--rows", type=int, default=10**9, help="training rows at most")
    arguments.add_argument("--tasks", nargs="+", default=list(TASKS))
    arguments.add_argument("--models", nargs="+", default=list(MODELS_BY_NAME))
    chosen = arguments.parse_args()
    for name in chosen.tasks:
        task = TASKS[name](chosen.rows)
        scores: dict[str, list[float]] = {model: [] for model in chosen.models}
        seconds: dict[str, list[float]] = {model: [] for model in chosen.models}
        for seed in range(chosen.first, chosen.first + chosen.seeds):
            with tempfile.TemporaryDirectory() as folder:
                trial = Trial(task, seed, Path(folder))
                for model in chosen.models:
                    started = time.perf_counter()
                    scores[model].append(trial.score(MODELS_BY_NAME[model](trial)))
                    seconds[model].append(time.perf_counter() - started)
                    print(
                        json.dumps(
                            {
                                "task": name,
                                "seed": seed,
                                "model": model,
                                "score": scores[model][-1],
                                "seconds": round(seconds[model][-1], 1),
                            }
                        ),
                        flush=True,
                    )
        training, test = task.split(0)
        print(f"\n{name}: {len(training)} training rows, {len(test)} test rows, {task.description}; {task.metric}")
        for model in chosen.models:
            print(_line(model, numpy.array(scores[model]), numpy.array(scores[chosen.models[0]]), seconds[model]))


def _line(model: str, scores: numpy.ndarray, first: numpy.ndarray, seconds: list[float]) -> str:
    """Mean ± deviation over the seeds, the same of the difference from the first model seed by seed, seconds a seed."""

    def spread(values: numpy.ndarray) -> float:
        return float(values.std(ddof=1)) if len(values) > 1 else 0.0

    apart = scores - first
    return (
        f"| {model} | {scores.mean():.4f} ± {spread(scores):.4f} | {apart.mean():+.4f} ± {spread(apart):.4f} "
        f"| {numpy.mean(seconds):.1f} s |"
    )


class Trial:
    """One task with one seed: the files of a job, and the encoded rows for the models that are not ours."""

    def __init__(self, task: Task, seed: int, root: Path):
        self.task, self.seed, self.root = task, seed, root
        training, test = task.split(seed)
        self.settings = _settings(task, seed)
        self.project: Project = parse_project(self.settings)
        for name, rows in (("dataset", training), ("test", test)):
            folder = root / "input/data" / name
            folder.mkdir(parents=True)
            part = task.rows.iloc[rows].replace({True: "true", False: "false"})
            part.to_csv(folder / ("0" * 64), index=False)
        tables = [read_dataset(root / "input/data" / name, self.project) for name in ("dataset", "test")]
        self.table = tables[0]
        self.encoder = Encoder.fit(self.table, self.project)
        self.training, self.test = (self.encoder.encode(table) for table in tables)
        self.labels, self.answers = (self.encoder.labels(table) for table in tables)

    def score(self, predictions: numpy.ndarray) -> float:
        return float(point_metrics(self.task.objective, self.answers, predictions)[self.task.metric])

    def ours(self, algorithm: str) -> numpy.ndarray:
        """train.py's model as a process of its own."""
        code = self.root / f"code-{algorithm}"
        shutil.copytree(MODELS / algorithm, code, ignore=shutil.ignore_patterns("tests", "__pycache__"))
        shutil.copytree(MODELS / "common", code / "common", ignore=shutil.ignore_patterns("tests", "__pycache__"))
        (code / "project.json").write_text(json.dumps(self.settings))
        environment = {**os.environ, "SAGEMAKER_BASE_DIR": str(self.root)}
        for command in (
            [str(code / "train.py")],
            [str(MODELS / "quality/score.py"), str(code), str(self.root), algorithm],
        ):
            subprocess.run([sys.executable, *command], env=environment, check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(self.root / "model" / "code")
        return numpy.load(self.root / "scores.npy")


def _settings(task: Task, seed: int) -> dict:
    return {
        "name": task.name,
        "problem": {"objective": task.objective},
        "data": {"format": "csv", "columns": task.columns, "quality": {"maximumBadRowShare": 0}},
        # The test rows are a split of their own here; one row in ten thousand is the least that a project can hold out.
        "training": {"holdOut": 0.0001, "seed": seed},
        "gate": {"metric": task.metric, "slices": []},
    }


def _histograms(trial: Trial) -> numpy.ndarray:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    codes = numpy.array(trial.encoder.is_categorical)
    narrow = codes & (numpy.nan_to_num(trial.training).max(axis=0) < CATEGORIES_OF_HISTOGRAMS - 1)
    kind = HistGradientBoostingRegressor if trial.task.objective == "regression" else HistGradientBoostingClassifier
    model = kind(categorical_features=narrow, random_state=trial.seed, early_stopping=True)
    return _fitted(model, trial, trial.training, trial.test)


def _linear(trial: Trial) -> numpy.ndarray:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    codes = numpy.array(trial.encoder.is_categorical)
    prepared = ColumnTransformer(
        [
            (
                "codes",
                make_pipeline(
                    SimpleImputer(strategy="constant", fill_value=-1), OneHotEncoder(handle_unknown="ignore")
                ),
                codes,
            ),
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ~codes),
        ]
    )
    model = Ridge() if trial.task.objective == "regression" else LogisticRegression(max_iter=1000)
    return _fitted(make_pipeline(prepared, model), trial, trial.training, trial.test)


def _fitted(model, trial: Trial, training: numpy.ndarray, test: numpy.ndarray) -> numpy.ndarray:
    model.fit(training, trial.labels)
    return model.predict(test) if trial.task.objective == "regression" else model.predict_proba(test)[:, 1]


def _xgboost_defaults(trial: Trial) -> numpy.ndarray:
    import xgboost

    kinds = ["c" if categorical else "q" for categorical in trial.encoder.is_categorical]
    data = xgboost.DMatrix(trial.training, trial.labels, feature_types=kinds, enable_categorical=True)
    objective = "reg:squarederror" if trial.task.objective == "regression" else "binary:logistic"
    model = xgboost.train({"objective": objective, "seed": trial.seed}, data, num_boost_round=100)
    return model.inplace_predict(trial.test)


MODELS_BY_NAME = {
    "HistGradientBoosting": _histograms,
    "logistic or ridge regression": _linear,
    "XGBoost's defaults": _xgboost_defaults,
    "Flywheel XGBoost": lambda trial: trial.ours("xgboost"),
    "Flywheel network": lambda trial: trial.ours("tabular"),
}


if __name__ == "__main__":
    main()

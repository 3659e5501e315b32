"""From a dataset channel to XGBoost's matrices: in memory, or in pages on disk when the data exceeds the memory.

Out of memory's way, the files are read twice, one at a time: for the encoder, and for the matrices, whose pages XGBoost
keeps in a temporary folder. One file with its encoded rows has to fit into memory.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common.container import JobError, cpu_count, log
from common.contents import content_bytes
from common.dataset import BadRows, read_dataset, read_parts, report_bad_rows
from common.encoder import Encoder
from common.project import Project
from common.split import drawn_by_row, training_rows
from common.watching import Watching, count_days, enough_to_watch

import numpy
import pyarrow
import xgboost
from booster import feature_types
from options import Options
from workers import Worker, device_of

# A CSV field of a few characters becomes a float64 of Arrow's, a float32 of the encoder's, and a bin of XGBoost's.
MEMORY_PER_FILE_BYTE = 6


@dataclass(frozen=True)
class Data:
    """`watching` is None when there are too few rows to watch."""

    encoder: Encoder
    training: xgboost.DMatrix
    watching: xgboost.DMatrix | None
    pages: tempfile.TemporaryDirectory | None = None

    def close(self) -> None:
        """Removes the pages on disk."""
        if self.pages:
            self.pages.cleanup()


def load_data(folder: Path, project: Project, options: Options, worker: Worker, encoder: Encoder | None) -> Data:
    """This worker's rows of a channel. `encoder`: that of the model to go on from, None to fit one.

    Raises JobError when there is nothing to train on.
    """
    if _exceeds_memory(folder, options):
        if worker.world > 1:
            raise JobError(
                "got several workers and data that exceed the memory, expected one of the two; use a larger instance"
            )
        on_cpu = device_of(options, worker).startswith("cpu")  # a GPU has several names: cuda, cuda:1, gpu
        return _from_disk(folder, project, options, encoder, on_cpu)
    table = read_dataset(folder, project)
    rows = training_rows(table, project)
    if rows.num_rows == 0:
        raise JobError("got no labelled row to train on, expected some; upload more rows or lower training.holdOut")
    encoder = encoder or Encoder.fit(rows, project)
    watched = Watching.of(rows, project, options.validation_share).among(rows)
    enough = enough_to_watch(int(watched.sum()), rows.num_rows)
    if not enough:
        watched[:] = False
    matrix, labels = encoder.encode(rows), known_labels(encoder, rows)
    log(
        f"training on {(~watched).sum()} rows, watching {watched.sum()}, not used {table.num_rows - rows.num_rows} "
        f"(held out or without a label); {encoder.width} columns"
    )
    mine = numpy.arange(len(labels)) % worker.world == worker.rank
    training = _quantile_matrix(matrix[~watched & mine], labels[~watched & mine], encoder, options, None)
    if not enough:
        return Data(encoder, training, None)
    return Data(
        encoder, training, _quantile_matrix(matrix[watched & mine], labels[watched & mine], encoder, options, training)
    )


def known_labels(encoder: Encoder, rows: pyarrow.Table) -> numpy.ndarray:
    """Raises JobError for a class that the model to go on from does not know."""
    labels = encoder.labels(rows)
    if numpy.isnan(labels).any():
        raise JobError(
            f"got labels of a class that the model to go on from does not know, expected {', '.join(encoder.label.classes)}; "
            "train without the channel 'model'"
        )
    return labels


class _Files(xgboost.DataIter):
    """The rows to train on, or to watch, one file after the other."""

    def __init__(self, folder: Path, project: Project, encoder: Encoder, watching: Watching, watched: bool, cache: str):
        super().__init__(cache_prefix=os.path.join(cache, "watching" if watched else "training"), on_host=False)
        self._folder, self._project, self._encoder = folder, project, encoder
        self._watching, self._watched = watching, watched
        self._parts: Iterator[pyarrow.Table] = iter(())
        self.reset()

    def reset(self) -> None:
        self._parts = _training_parts(self._folder, self._project, BadRows())

    def next(self, input_data) -> bool:
        for rows, _ in self._parts:
            chosen = self._watching.among(rows) == self._watched
            if chosen.any():
                part = rows.filter(pyarrow.array(chosen))
                input_data(
                    data=self._encoder.encode(part),
                    label=known_labels(self._encoder, part),
                    feature_types=feature_types(self._encoder),
                )
                return True
        return False


def _from_disk(folder: Path, project: Project, options: Options, encoder: Encoder | None, on_cpu: bool) -> Data:
    log("the data exceed the memory: read in parts, matrices on disk")
    share = options.validation_share
    bad, total, trained, drawn, rows_by_day = BadRows(), 0, 0, 0, Counter()

    def counted() -> Iterator[pyarrow.Table]:
        nonlocal total, trained, drawn
        for rows, all_rows in _training_parts(folder, project, bad):
            total += all_rows
            trained += rows.num_rows
            drawn += int(drawn_by_row(rows, project, share).sum())
            rows_by_day.update(count_days(rows, project))
            yield rows

    fitted = Encoder.fit_parts(counted(), project)
    report_bad_rows(bad, total, project)
    encoder = encoder or fitted
    watching = Watching(project, share, rows_by_day)
    watched = drawn if watching.rows_of_blocks is None else watching.rows_of_blocks
    if not enough_to_watch(watched, trained):
        watching, watched = Watching(project, 0, rows_by_day), 0
    pages = tempfile.TemporaryDirectory(prefix="xgboost-pages-")
    log(
        f"training on {trained - watched} rows, watching {watched} of {total}; {encoder.width} columns; pages in {pages.name}"
    )

    def matrix(watched: bool, like: xgboost.DMatrix | None) -> xgboost.DMatrix:
        files = _Files(folder, project, encoder, watching, watched, pages.name)
        if not on_cpu:
            # From rows in host memory, quantile pages on disk are for the CPU alone; from these a GPU makes its own.
            return xgboost.DMatrix(files, enable_categorical=True, nthread=cpu_count())
        return xgboost.ExtMemQuantileDMatrix(
            files, max_bin=options.max_bin, ref=like, enable_categorical=True, nthread=cpu_count()
        )

    training = matrix(False, None)
    return Data(encoder, training, matrix(True, training) if watched else None, pages)


def _training_parts(folder: Path, project: Project, bad: BadRows) -> Iterator[tuple[pyarrow.Table, int]]:
    """(rows to train on, all rows) of each file."""
    for part in read_parts(folder, project, bad):
        yield training_rows(part.table, project), part.total_rows


def _quantile_matrix(
    matrix: numpy.ndarray, labels: numpy.ndarray, encoder: Encoder, options: Options, like: xgboost.DMatrix | None
) -> xgboost.QuantileDMatrix:
    return xgboost.QuantileDMatrix(
        matrix,
        label=labels,
        feature_types=feature_types(encoder),
        enable_categorical=True,
        max_bin=options.max_bin,
        ref=like,
        nthread=cpu_count(),
    )


def _exceeds_memory(folder: Path, options: Options) -> bool:
    if options.external_memory != "auto":
        return options.external_memory == "true"
    needed = MEMORY_PER_FILE_BYTE * sum(content_bytes(file) for file in folder.rglob("*") if file.is_file())
    return needed > os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 0.8

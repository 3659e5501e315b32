"""The deep tabular network as a SageMaker training job: one script from a laptop's CPU to several GPUs.

Alone it trains in one process. An instance with several GPUs starts it by torchrun (the environment variables RANK,
WORLD_SIZE, LOCAL_RANK), one process a GPU; each reads the data, and all share every batch.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from common.container import (
    Container,
    JobError,
    copy_code,
    cpu_count,
    gpu_count,
    log,
    log_metric,
    run_job,
    write_atomically,
)
from common.dataset import read_dataset
from common.encoder import Encoder
from common.metrics import point_metrics
from common.project import Project, load_project
from common.split import training_rows
from common.watching import Watching, enough_to_watch

import numpy
import torch
from columns import category_sizes, pack
from fit import Fit, Process, class_weights
from forward import Network, Shape
from model import ENCODER_FILE, MODEL_FILE, TabularModel
from network import predictions, quantile_bins
from options import Options, read_options, share_to_watch
from torch import distributed


def train(container: Container) -> None:
    """One training job.

    Raises JobError with what the user can change.
    """
    process = _join()
    code = Path(__file__).resolve().parent
    project = load_project(code)
    options = read_options(container.hyperparameters(), project)
    table = read_dataset(container.channel("dataset"), project)
    rows = training_rows(table, project)
    if rows.num_rows == 0:
        raise JobError("got no labelled row to train on, expected some; upload more rows or lower training.holdOut")
    encoder = Encoder.fit(rows, project)
    watched = Watching.of(rows, project, share_to_watch(options, rows.num_rows)).among(rows)
    if not enough_to_watch(int(watched.sum()), rows.num_rows):
        watched[:] = False
    log(f"training on {(~watched).sum()} rows, watching {watched.sum()}; {encoder.width} columns")
    labels = encoder.labels(rows)
    model, predicted = fit_model(
        encoder.encode(rows), labels, watched, encoder, project, options, process, container.checkpoints
    )
    if process.rank == 0:
        if watched.any():
            _log_quality(predicted, labels[watched], project)
        write_atomically(container.model / MODEL_FILE, model.to_bytes())
        write_atomically(container.model / ENCODER_FILE, encoder.to_json().encode())
        copy_code(code, container.model / "code")
    if process.world > 1:
        distributed.barrier()
        distributed.destroy_process_group()


def fit_model(
    matrix: numpy.ndarray,
    labels: numpy.ndarray,
    watched: numpy.ndarray,
    encoder: Encoder,
    project: Project,
    options: Options,
    process: Process,
    checkpoints: Path | None = None,
) -> tuple[TabularModel, numpy.ndarray]:
    """(the trained model, its predictions of the watched rows). `watched` marks the rows that early stopping looks at,
    (rows,) bool.
    """
    classes = len(encoder.label.classes)
    regression = project.objective == "regression"
    centre = float(labels[~watched].mean()) if regression else 0.0
    scale = float(labels[~watched].std()) or 1.0 if regression else 1.0
    targets = (labels - centre) / scale if regression else labels
    weights = class_weights(targets, classes, options.class_weights)
    shape = Shape(
        bins=quantile_bins(matrix[~watched], encoder, options.bins),
        categories=category_sizes(encoder),
        outputs=classes if project.objective == "multiclass" else 1,
        members=options.members,
        width=options.width,
        depth=options.depth,
        embedding=options.embedding,
        dropout=options.dropout,
    )
    columns = [pack(matrix[part], targets[part], weights[part], encoder) for part in (~watched, watched)]
    network = Fit(shape, *columns, project.objective, options, process, checkpoints).run()
    predicted = numpy.zeros(0, dtype=numpy.float32)
    if watched.any():
        predicted = predictions(network, columns[1], project.objective).numpy() * scale + centre
    return TabularModel(Network(shape, network.arrays()), encoder, project.objective, centre, scale), predicted


def _join() -> Process:
    """Joins the other processes if torchrun started any, and takes a device."""
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if on_gpu else torch.device("cpu")
    if gpu_count() > 0 and not on_gpu:
        log("PyTorch cannot use the GPU of this machine, as with a driver older than its CUDA: training on the CPU")
    if on_gpu:
        torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("high")
    else:
        torch.set_num_threads(max(cpu_count() // world, 1))
    if world > 1:
        distributed.init_process_group("nccl" if on_gpu else "gloo")
    return Process(rank, world, device)


def _log_quality(predicted: numpy.ndarray, labels: numpy.ndarray, project: Project) -> None:
    """To the log: `validation-auc=0.7312`."""
    for name, value in point_metrics(project.objective, labels, predicted).items():
        if numpy.isfinite(value):
            log_metric(f"validation-{name}", value)


def _start_one_process_a_gpu(count: int) -> None:
    """Becomes torchrun, which passes SIGTERM on to all: the platform signals the container's first process alone."""
    log(f"starting {count} processes, one a GPU")
    command = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}", __file__, *sys.argv[1:]]
    os.execv(sys.executable, [sys.executable, *command])


if __name__ == "__main__":
    if gpu_count() > 1 and "RANK" not in os.environ:
        _start_one_process_a_gpu(gpu_count())
    run_job(train)

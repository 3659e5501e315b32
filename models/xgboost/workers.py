"""Several GPUs of one instance: one process each, joined by XGBoost's own collective, each with its share of the rows.

The parent starts the tracker and the workers, passes SIGTERM on, and ends as they end. Worker 0 writes the model.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from common.container import FAILURE, gpu_count, log

import xgboost
from options import Options

_RANK, _TRACKER = "FLYWHEEL_WORKER", "FLYWHEEL_TRACKER"


@dataclass(frozen=True)
class Worker:
    """This process among `world`; alone it is rank 0 of 1."""

    rank: int
    world: int


def is_worker() -> bool:
    """Whether a parent has started this process as one of several."""
    return _RANK in os.environ


def device_of(options: Options, worker: Worker) -> str:
    """XGBoost's `device`: what the user set, else this worker's GPU where machine and build have one, else the CPU."""
    if "device" in options.booster:
        return str(options.booster["device"])
    if gpu_count() == 0 or not xgboost.build_info().get("USE_CUDA"):
        return "cpu"
    return f"cuda:{worker.rank}" if worker.world > 1 else "cuda"


@contextmanager
def joined() -> Iterator[Worker]:
    """Inside, XGBoost's training is collective; a process that is alone stays alone."""
    if not is_worker():
        yield Worker(0, 1)
        return
    with xgboost.collective.CommunicatorContext(**json.loads(os.environ[_TRACKER])):
        yield Worker(xgboost.collective.get_rank(), xgboost.collective.get_world_size())


def run_workers(count: int) -> int:
    """Starts this script `count` times with the same arguments; the exit code of the first that failed, else 0."""
    from xgboost.tracker import RabitTracker

    log(f"starting {count} workers")
    tracker = RabitTracker(n_workers=count, host_ip="127.0.0.1", sortby="task")
    tracker.start()
    where = tracker.worker_args()
    workers = []
    for rank in range(count):
        environment = {**os.environ, _RANK: str(rank), _TRACKER: json.dumps({**where, "dmlc_task_id": f"{rank:04d}"})}
        workers.append(subprocess.Popen([sys.executable, *sys.argv], env=environment))
    signal.signal(signal.SIGTERM, lambda *_: [worker.send_signal(signal.SIGTERM) for worker in workers])
    code = 0
    waiting = list(workers)
    while waiting:
        worker = next((each for each in waiting if each.poll() is not None), None)
        if worker is None:
            _wait_a_moment(waiting[0])
            continue
        waiting.remove(worker)
        if worker.returncode and not code:
            # The others would wait for the lost one for ever.
            code = worker.returncode if worker.returncode > 0 else FAILURE
            if code == FAILURE:
                for other in waiting:
                    other.kill()
    return code


def _wait_a_moment(worker: subprocess.Popen) -> None:
    try:
        worker.wait(timeout=0.1)
    except subprocess.TimeoutExpired:
        return

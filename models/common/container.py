"""SageMaker's container contract: folders, settings, log lines, exit codes and the files that say why a job failed.

`SAGEMAKER_BASE_DIR` replaces `/opt/ml`, so the same script runs as a plain process without root or Docker.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FAILURE_LIMIT = 1024  # SageMaker keeps so many bytes of the files that say why a job failed
SUCCESS, FAILURE, TERMINATED = 0, 1, 143


class JobError(Exception):
    """A failure that the user can act on; its text is the whole message: got X, expected Y, do Z."""


class Terminated(Exception):
    """SageMaker asked the container to stop (SIGTERM): a spot interruption, a stop, or the end of the allowed time."""


def base_dir() -> Path:
    """The folder that stands for /opt/ml."""
    return Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))


@dataclass(frozen=True)
class Container:
    """The folders of one job."""

    base: Path

    @property
    def model(self) -> Path:
        return Path(os.environ.get("SM_MODEL_DIR", self.base / "model"))

    @property
    def processing_input(self) -> Path:
        return self.base / "processing" / "input"

    @property
    def processing_output(self) -> Path:
        return self.base / "processing" / "output"

    @property
    def failure_files(self) -> list[Path]:
        """Where a container says why it failed: a training job's FailureReason begins with what it finds in `failure`, a
        processing job's ExitMessage is what it finds in `message`.
        """
        return [self.base / "output" / "failure", self.base / "output" / "message"]

    def channel(self, name: str) -> Path:
        """Folder of an input channel.

        Raises JobError when the job has no such channel.
        """
        folder = Path(os.environ.get(f"SM_CHANNEL_{name.upper()}", self.base / "input" / "data" / name))
        if not folder.is_dir():
            raise JobError(f"got no input channel '{name}' ({folder} is missing), expected the job to define one")
        return folder

    @property
    def checkpoints(self) -> Path | None:
        """Where checkpoints go and are found after an interruption; None when the job keeps none."""
        config = self.base / "input" / "config" / "checkpointconfig.json"
        if config.is_file():
            local = json.loads(config.read_text() or "{}").get("LocalPath")
            if local:
                return self._under_base(local)
        default = self.base / "checkpoints"
        return default if default.is_dir() else None

    def hosts(self) -> tuple[str, list[str]]:
        """This host and all hosts of the job, sorted."""
        config = self.base / "input" / "config" / "resourceconfig.json"
        if config.is_file():
            resources = json.loads(config.read_text())
            return resources["current_host"], sorted(resources["hosts"])
        if "SM_HOSTS" in os.environ:
            return os.environ["SM_CURRENT_HOST"], sorted(json.loads(os.environ["SM_HOSTS"]))
        return "algo-1", ["algo-1"]

    def hyperparameters(self, arguments: list[str] | None = None) -> dict[str, str]:
        """User hyperparameters as strings: the file, over it SM_HPS, over it `--key value` of the command line.

        Names that start with `sagemaker_` belong to the platform and are left out.
        """
        values: dict[str, str] = {}
        config = self.base / "input" / "config" / "hyperparameters.json"
        if config.is_file():
            values.update({key: _plain(value) for key, value in json.loads(config.read_text()).items()})
        values.update({key: _plain(value) for key, value in json.loads(os.environ.get("SM_HPS", "{}")).items()})
        values.update(_options(sys.argv[1:] if arguments is None else arguments))
        return {key: value for key, value in values.items() if not key.startswith("sagemaker_")}

    def _under_base(self, path: str) -> Path:
        """A path the platform names below /opt/ml, moved to where this job's root is."""
        inside = path.removeprefix("/opt/ml/")
        return Path(path) if inside == path else self.base / inside


def run_job(job: Callable[[Container], None]) -> None:
    """Runs a job and ends the process as SageMaker expects: 0, or 1 with the reason in the failure file.

    SIGTERM becomes a `Terminated` at the next Python instruction, so that the job can write a checkpoint.
    """
    container = Container(base_dir())
    signal.signal(signal.SIGTERM, _raise_terminated)
    started = time.monotonic()
    try:
        job(container)
    except Terminated:
        log("stopped by the platform (SIGTERM)")
        _leave(TERMINATED)
    except JobError as error:
        _write_failure(container, str(error))
        log(f"failed: {error}")
        _leave(FAILURE)
    except Exception as error:  # the process ends here; the platform reads the reason from the file
        traceback.print_exc()
        # The first line: native libraries append their own stack traces.
        _write_failure(container, f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}")
        _leave(FAILURE)
    log(f"done in {time.monotonic() - started:.2f} s")
    _leave(SUCCESS)


@contextmanager
def deferred_termination() -> Iterator[Callable[[], bool]]:
    """Inside, SIGTERM is only noted: the function says whether it came, and the block stops where its state is whole."""
    came = False

    def note(*_: object) -> None:
        nonlocal came
        came = True

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGTERM, before)


def log(message: str) -> None:
    """One line on standard output, which SageMaker sends to CloudWatch Logs."""
    print(message, flush=True)


def log_metric(name: str, value: float) -> None:
    """`name=value`, for whoever reads the job's log: `validation-auc=0.7312`."""
    print(f"{name}={value:.6g}", flush=True)


def cpu_count() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpu_count() -> int:
    """GPUs of the machine: SM_NUM_GPUS if the platform counted them, else the device files of NVIDIA's driver."""
    if "SM_NUM_GPUS" in os.environ:
        return int(os.environ["SM_NUM_GPUS"])
    devices = Path("/dev")
    return sum(1 for device in devices.glob("nvidia[0-9]*")) if devices.is_dir() else 0


def write_atomically(path: Path, content: bytes) -> None:
    """A reader, or a restart after a crash, sees the old file or the new one, never a half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def copy_code(source: Path, target: Path) -> None:
    """Puts the scripts, `common/`, `project.json` and how to install them beside the model, so that the archive can serve
    and explain itself.
    """
    target.mkdir(parents=True, exist_ok=True)
    # A toolkit that ran the job may have made a setup.py, which would install the scripts without `common/`.
    scripts = [file for file in source.glob("*.py") if file.name != "setup.py"]
    package = Path(__file__).resolve().parent
    for file in sorted([*scripts, source / "project.json", package / "pyproject.toml"]):
        shutil.copy2(file, target / file.name)
    (target / package.name).mkdir(exist_ok=True)
    for file in sorted(package.glob("*.py")):
        shutil.copy2(file, target / package.name / file.name)


def _plain(value: object) -> str:
    """SDKs encode values as JSON once more ("\\"12\\""); the platform itself passes plain strings."""
    if isinstance(value, str):
        if len(value) >= 2 and value[0] == value[-1] == '"':
            return str(json.loads(value))
        return value
    return json.dumps(value)


def _options(arguments: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    position = 0
    while position < len(arguments):
        option = arguments[position]
        if not option.startswith("-") or position + 1 >= len(arguments):
            raise JobError(f"got the argument '{option}', expected '--name value' pairs")
        values[option.lstrip("-")] = _plain(arguments[position + 1])
        position += 2
    return values


def _write_failure(container: Container, reason: str) -> None:
    # Cut between characters: SageMaker fails a processing job with an error of its own for what is no UTF-8.
    content = reason.encode()[:FAILURE_LIMIT].decode(errors="ignore").encode()
    for file in container.failure_files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _raise_terminated(*_: object) -> None:
    raise Terminated


def _leave(code: int) -> None:
    """Ends at once: tearing down native thread pools costs up to half a second and can do nothing for the result."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

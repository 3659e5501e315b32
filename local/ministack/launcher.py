"""Start MiniStack in this process, on loopback, with what the laptop cloud adds to it.

    python local/ministack/launcher.py --port 4566 --sagemaker http://127.0.0.1:4567 --directory .flywheel/local

The order matters: MiniStack's modules read their settings from the environment when they are imported, so the
environment is set first, then MiniStack is imported, then the additions of additions/ replace or extend parts of it.
"""

import argparse
import asyncio
import os
import secrets
import signal
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MINISTACK_VERSION = "1.5.33"
REGION = "us-east-1"


def main() -> None:
    os.umask(0o077)  # what is written here, functions and state, is for the owner of the cloud alone
    options = parse_arguments()
    set_environment(options)
    serve(options)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The laptop cloud's AWS services (MiniStack with additions).")
    parser.add_argument("--port", type=int, default=4566, help="port to listen on, on 127.0.0.1 only")
    parser.add_argument("--sagemaker", default="http://127.0.0.1:4567", help="URL of SageMaker local")
    parser.add_argument("--directory", type=Path, required=True, help="folder for state, temporary and pid files")
    parser.add_argument("--secret", type=Path, help="file of the root key's secret (secret in the folder)")
    parser.add_argument(
        "--without",
        default="",
        help="comma-separated additions to leave out, or 'all': tests use it to see whether MiniStack has caught up",
    )
    parser.add_argument("--retry-delay", type=float, default=0.2, help="seconds before the first asynchronous retry")
    parser.add_argument("--account-concurrency", type=int, help="quota of executions at once")
    return parser.parse_args()


def set_environment(options: argparse.Namespace) -> None:
    """Settings of MiniStack, and, because functions inherit this process's environment, of every function."""
    directory = options.directory.resolve()
    state, objects, temporary = directory / "state", directory / "objects", directory / "tmp"
    for folder in (state, objects, temporary):
        folder.mkdir(parents=True, exist_ok=True)
    # Node looks for the nearest package.json above a function's files; without this one it may find a project's own.
    (temporary / "package.json").write_text("{}\n")
    address = f"http://127.0.0.1:{options.port}"
    os.environ.update(
        {
            "GATEWAY_PORT": str(options.port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",  # the host in the URLs it hands out, of queues for example
            "AUTH": "true",
            "MINISTACK_REGION": REGION,
            "LAMBDA_EXECUTOR": "local",
            "LAMBDA_WARM_TTL_SECONDS": "900",
            "LAMBDA_ASYNC_RETRY_BASE_SECONDS": str(options.retry_delay),
            "LAMBDA_ASYNC_RETRY_MAX_SECONDS": str(options.retry_delay * 4),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(state),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(objects),
            "TMPDIR": str(temporary),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "CLOUDTRAIL_RECORDING": "0",
            "DOCKER_HOST": "unix:///nonexistent",
            # The SDKs of functions find every service by these; a function's code and template name none of them.
            "AWS_ENDPOINT_URL": address,
            "AWS_ENDPOINT_URL_SAGEMAKER": options.sagemaker,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": options.sagemaker,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": read_or_make_secret(options.secret or directory / "secret"),
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            # MiniStack's own wrapper of a function would put this warning into the log of every cold start.
            "NODE_OPTIONS": "--disable-warning=DEP0169",
            # Functions run on the Node of this repository, the version that Lambda's nodejs24.x is.
            "PATH": f"{REPOSITORY / 'node_modules' / '.bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        }
    )
    os.environ.pop("AWS_SESSION_TOKEN", None)
    if options.account_concurrency:
        os.environ["LAMBDA_ACCOUNT_CONCURRENCY"] = str(options.account_concurrency)
    tempfile.tempdir = str(temporary)


def read_or_make_secret(file: Path) -> str:
    """The secret of the root key, one for each cloud: a published one would let every program of the machine in."""
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as made:
            made.write(f"{secrets.token_urlsafe(30)}\n")
    except FileExistsError:
        pass
    return file.read_text().strip()


def serve(options: argparse.Namespace) -> None:
    """Listen until SIGTERM or SIGINT; MiniStack then writes its state and the process ends with 0."""
    from importlib.metadata import version

    found = version("ministack")
    if found != MINISTACK_VERSION:
        sys.exit(f"ministack {found} is installed, expected {MINISTACK_VERSION}: the additions reach into its parts.")

    import ministack.app
    from additions import install
    from callers import for_local_programs
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config
    from internal_routes import with_internal_routes

    install(options.without, options.sagemaker)

    config = Config()
    config.bind = [f"127.0.0.1:{options.port}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    config.loglevel = "WARNING"

    async def listen() -> None:
        stop = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, stop.set)
        application = for_local_programs(with_internal_routes(ministack.app.app, os.environ["AWS_SECRET_ACCESS_KEY"]))
        await hypercorn_serve(application, config, shutdown_trigger=stop.wait)

    asyncio.run(listen())


if __name__ == "__main__":
    main()

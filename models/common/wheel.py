"""The build backend that pyproject.toml names: a wheel of everything in the folder, by the standard library alone.

AWS's XGBoost image installs a program with `pip install .` before it imports it. Without this, pip would build it with
setuptools, which it fetches for an environment of its own: a container under network isolation cannot, and never starts.
PEP 517 says what a backend is; a wheel is a zip (PyPA, "Binary distribution format").
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

_NAME, _VERSION = "flywheel_code", "1"
_INFO = f"{_NAME}-{_VERSION}.dist-info"
# What the image's toolkit writes beside a program that has no setup.py, for the setuptools that is not used here.
_LEFT_OUT = {"pyproject.toml", "setup.py", "setup.cfg", "MANIFEST.in"}


def build_wheel(wheel_directory: str, config_settings: object = None, metadata_directory: str | None = None) -> str:
    """PEP 517's hook: writes the wheel of the current folder, and returns its file name."""
    files = {str(file): file.read_bytes() for file in sorted(Path().rglob("*")) if _is_code(file)}
    files[f"{_INFO}/METADATA"] = f"Metadata-Version: 2.1\nName: {_NAME}\nVersion: {_VERSION}\n".encode()
    files[f"{_INFO}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: flywheel\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = "".join(f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in files.items())
    files[f"{_INFO}/RECORD"] = f"{record}{_INFO}/RECORD,,\n".encode()
    wheel = f"{_NAME}-{_VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory) / wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return wheel


def _is_code(file: Path) -> bool:
    return file.is_file() and file.name not in _LEFT_OUT and not {"__pycache__", "build"} & set(file.parts)


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()

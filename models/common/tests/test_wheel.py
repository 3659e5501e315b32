"""The wheel that the code archive makes of itself, as an installer reads it."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile

from common import wheel
from conftest import MODELS

import tomllib


def built(folder, files):
    """The wheel of a folder with these files: content by name."""
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"# {name}")
    (folder.parent / "out").mkdir()
    name = wheel.build_wheel(str(folder.parent / "out"))
    with zipfile.ZipFile(folder.parent / "out" / name) as archive:
        return name, {each: archive.read(each) for each in archive.namelist()}


def test_it_has_the_code_with_its_package_and_settings_and_nothing_that_a_toolkit_generated(tmp_path, monkeypatch):
    code = tmp_path / "code"
    code.mkdir()
    monkeypatch.chdir(code)
    kept = {"inference.py", "common/wire.py", "project.json"}
    generated = {"setup.py", "setup.cfg", "MANIFEST.in", "pyproject.toml", "common/__pycache__/wire.pyc", "build/x.py"}
    name, content = built(code, kept | generated)
    assert name == "flywheel_code-1-py3-none-any.whl"
    assert {each for each in content if ".dist-info" not in each} == kept
    assert content["inference.py"] == b"# inference.py"


def test_its_record_names_every_file_with_its_hash(tmp_path, monkeypatch):
    code = tmp_path / "code"
    code.mkdir()
    monkeypatch.chdir(code)
    _, content = built(code, {"inference.py", "common/wire.py"})
    (record,) = (each for each in content if each.endswith("RECORD"))
    rows = {name: (digest, size) for name, digest, size in csv.reader(io.StringIO(content[record].decode()))}
    assert rows.keys() == content.keys()
    for name in content.keys() - {record}:
        digest = base64.urlsafe_b64encode(hashlib.sha256(content[name]).digest()).rstrip(b"=").decode()
        assert rows[name] == (f"sha256={digest}", str(len(content[name])))


def test_building_it_requires_nothing_that_a_container_without_network_would_have_to_fetch():
    system = tomllib.loads((MODELS / "common/pyproject.toml").read_text())["build-system"]
    assert system == {"requires": [], "build-backend": "common.wheel", "backend-path": ["."]}

"""Files are read without all of their bytes in memory, and in blocks as they are as a whole."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

from common import contents
from common.contents import content_bytes
from common.dataset import read_dataset
from common.project import parse_project
from conftest import column, settings

import pytest
from samples import FORMATS, project_settings, random_rows

LIMITED = """
import resource, sys
from pathlib import Path
from common.dataset import read_dataset
from common.project import load_project
# Arrow's threads, each with its stack and heap, are two (OMP_NUM_THREADS): the rest is for data.
resource.setrlimit(resource.RLIMIT_DATA, (1400 << 20, 1400 << 20))
print(read_dataset(Path(sys.argv[1]), load_project(Path(sys.argv[2]))).num_rows)
"""


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_gzip_file_of_nearly_two_gigabytes_is_read_in_less_memory_than_that(tmp_path, form):
    columns = {"note": column("text", "ignore"), "y": column("number", "label")}
    rows = 48
    row = json.dumps({"note": "n" * 1_000_000, "y": 1}) if form == "jsonl" else "n" * 1_000_000 + ",1"
    header = b"" if form == "jsonl" else gzip.compress(b"note,y\n")
    member = gzip.compress(f"{row}\n".encode() * rows)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ("a" * 64)).write_bytes(header + member * 40)
    (tmp_path / "project.json").write_text(json.dumps(settings(columns, "regression", format=form)))
    models = Path(contents.__file__).resolve().parents[1]
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "data"), str(tmp_path)]
    done = subprocess.run(
        command, cwd=models, env={**os.environ, "OMP_NUM_THREADS": "2"}, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1:] == [str(40 * rows)], done.stderr


def test_json_lines_are_the_same_rows_in_blocks_of_any_size(tmp_path, monkeypatch):
    rows = random_rows(60, 8)
    lines = [json.dumps(row) for row in rows]
    lines[7] = json.dumps({**rows[7], "distance": "12"})
    lines[30] = "{broken"
    (tmp_path / ("a" * 64)).write_bytes("\n".join(lines).encode())
    project = parse_project(project_settings(format="jsonl", bad=0.5))
    whole = read_dataset(tmp_path, project).combine_chunks()
    assert whole.num_rows == 58
    for size in (1, 300, 5000):
        monkeypatch.setattr(contents, "BLOCK_BYTES", size)
        assert read_dataset(tmp_path, project).combine_chunks().equals(whole)


def test_the_size_of_a_file_is_that_of_its_content(tmp_path):
    rows = random_rows(500, 9)
    plain = FORMATS["csv"][0](rows)
    sizes = {}
    for form, (render, _) in FORMATS.items():
        (tmp_path / form).write_bytes(render(rows))
        sizes[form] = content_bytes(tmp_path / form)
    assert sizes["csv"] == sizes["csv.gz"] == len(plain)
    assert sizes["jsonl"] == sizes["jsonl.gz"]
    assert sizes["parquet"] >= 4 * 500 * len(rows[0])

"""The corpus of uploads that the inspection is held to as well (test/corpus): what it accepts is read with the same rows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from common.dataset import BadRows, read_parts, report_bad_rows
from common.encoder import Encoder
from common.project import parse_project
from conftest import settings

import numpy
import pytest

CORPUS = Path(__file__).resolve().parents[3] / "test/corpus"
ENTRIES = [entry for entry in json.loads((CORPUS / "corpus.json").read_text()) if "accepted" in entry]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["file"])
def test_what_the_inspection_accepts_is_read_with_its_rows_and_can_be_encoded(tmp_path, entry):
    changes = {"format": entry["format"], "bad": entry["tolerated"]}
    project = parse_project(settings(entry["columns"], "regression", **changes))
    shutil.copy(CORPUS / "files" / entry["file"], tmp_path / ("0" * 64))
    bad = BadRows()
    [part] = read_parts(tmp_path, project, bad)
    report_bad_rows(bad, part.total_rows, project)
    assert {"rows": part.total_rows, "badRows": bad.rows} == entry["accepted"]
    assert part.table.num_rows == part.total_rows - bad.rows
    encoder = Encoder.fit(part.table, project)
    encoder.encode(part.table)
    assert numpy.isfinite(encoder.labels(part.table)).all()
    json.loads(encoder.to_json().encode())

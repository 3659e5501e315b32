"""A small learnable problem for every objective, as dataset files and settings."""

from __future__ import annotations

from conftest import column, settings

import numpy

COLUMNS = {
    "id": column("integer", "id"),
    "x": column("number", nullable=True),
    "y": column("number"),
    "colour": column("category", nullable=True),
    "flag": column("boolean"),
    "owner": column("category", pii=True),
}
LABELS = {
    "binary": column("boolean", "label"),
    "multiclass": column("category", "label"),
    "regression": column("number", "label"),
}
COLOURS = ["red", "green", "blue"]


def project_of(objective, **changes):
    columns = {**COLUMNS, "target": LABELS[objective]}
    slices = [{"column": "colour", "maximumLoss": 0.1, "minimumRows": 10}]
    return settings(columns, objective, slices=slices, **changes)


def generated(objective, rows=1500, seed=0):
    """CSV whose target follows from x, y and colour with some noise."""
    random = numpy.random.default_rng(seed)
    x, y, colour = random.normal(size=rows), random.normal(size=rows), random.integers(0, 3, rows)
    signal_ = x - 2 * y * (colour == 1) + colour
    noise = random.normal(size=rows) * 0.5
    if objective == "binary":
        target = ["true" if value else "false" for value in signal_ + noise > 0.5]
    elif objective == "multiclass":
        target = ["low" if value < 0 else "middle" if value < 1.5 else "high" for value in signal_ + noise]
    else:
        target = [f"{value:.4f}" for value in signal_ + noise]
    lines = ["id,x,y,colour,flag,owner,target"]
    for row in range(rows):
        shown = "" if row % 17 == 0 else f"{x[row]:.4f}"
        shade = "" if row % 23 == 0 else COLOURS[colour[row]]
        flag = "true" if row % 2 else "false"
        lines.append(f"{seed}{row:06d},{shown},{y[row]:.4f},{shade},{flag},person{row}@example.com,{target[row]}")
    return "\n".join(lines).encode() + b"\n"


def trained(make_job, algorithm, objective, hyperparameters, name="train"):
    """(the finished job, its output)."""
    job = make_job(name)
    job.add_code(algorithm, project_of(objective))
    job.add_file("input/data/dataset", "0" * 64, generated(objective))
    code, output = job.run("train.py", hyperparameters)
    assert code == 0, output
    return job, output


def evaluated(make_job, algorithm, objective, candidate, champion):
    """The contents of the three output files by name."""
    job = make_job(f"evaluate-{algorithm}-{objective}")
    job.add_code(algorithm, project_of(objective))
    job.add_file("processing/input/dataset", "0" * 64, generated(objective))
    candidate.archive_model(job.root / "processing/input/candidate/model.tar.gz")
    if champion:
        champion.archive_model(job.root / "processing/input/champion/model.tar.gz")
    code, output = job.run("evaluate.py")
    assert code == 0, output
    return {
        name: (job.root / "processing/output" / name).read_text()
        for name in ("evaluation.json", "baseline.json", "report.html")
    }

"""Predictions of a trained model on the rows of a channel: `score.py CODE ROOT xgboost|tabular` writes ROOT/scores.npy."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy

code, root, algorithm = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
sys.path.insert(0, str(code))

from common.dataset import read_dataset
from common.project import load_project

if algorithm == "xgboost":
    from booster import XgboostModel as Model
else:
    from model import TabularModel as Model

model = Model.load(root / "model")
table = read_dataset(root / "input/data/test", load_project(code))
numpy.save(root / "scores.npy", model.predict(model.encoder.encode(table)))

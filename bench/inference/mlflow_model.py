"""Makes of a served model folder what MLflow's local server needs. Usage: mlflow_model.py FOLDER

FOLDER holds `model/` and `request-ROWS.json`; written are `mlflow-model/` with the same booster and
`mlflow-request-ROWS.json` with the same rows. The rows are encoded here, in the form that MLflow reads fastest, so that
its server has less to do than ours, not more.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

folder = Path(sys.argv[1])
code = folder / "model" / "code"
sys.path.insert(0, str(code))

import mlflow.xgboost  # noqa: E402
import xgboost  # noqa: E402
from common.encoder import Encoder  # noqa: E402
from common.payload import JSON_TYPE, RequestReader  # noqa: E402
from common.project import load_project  # noqa: E402

encoder = Encoder.from_json((folder / "model" / "encoder.json").read_text())
reader = RequestReader(encoder, load_project(code))
for request in folder.glob("request-*.json"):
    matrix = reader.read(request.read_bytes(), JSON_TYPE)
    columns = [f"f{column}" for column in range(encoder.width)]
    body = {"dataframe_split": {"columns": columns, "data": matrix.tolist()}}
    (folder / f"mlflow-{request.name}").write_text(json.dumps(body))

booster = xgboost.Booster(model_file=bytearray((folder / "model" / "xgboost-model").read_bytes()))
# Named requirements spare MLflow a trial run that finds them out.
mlflow.xgboost.save_model(booster, str(folder / "mlflow-model"), pip_requirements=["xgboost-cpu", "pandas"])

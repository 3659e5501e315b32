"""Makes of a served model folder what MLflow's local server needs. Usage: mlflow_model.py FOLDER

FOLDER holds `model/` and `request-ROWS-by-rows.json`; written are `mlflow-model/` with the same booster, and
`mlflow-request-ROWS.json` and `.csv` with the same rows. The rows are encoded here, in the JSON form that MLflow reads
fastest and with the fewest digits, so that its server has less to do than ours, not more.
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
from common.payload import RequestReader  # noqa: E402
from common.project import load_project  # noqa: E402
from common.wire import JSON_TYPE  # noqa: E402

encoder = Encoder.from_json((folder / "model" / "encoder.json").read_text())
reader = RequestReader(encoder, load_project(code))
columns = [f"f{column}" for column in range(encoder.width)]
for request in folder.glob("request-*-by-rows.json"):
    matrix = reader.read(request.read_bytes(), JSON_TYPE)
    # As text a float32 has its fewest digits, as a Python number those of a float64.
    rows = [[str(value) for value in row] for row in matrix]
    name = request.name.removesuffix("-by-rows.json")
    body = {"dataframe_split": {"columns": columns, "data": [[float(value) for value in row] for row in rows]}}
    (folder / f"mlflow-{name}.json").write_text(json.dumps(body))
    (folder / f"mlflow-{name}.csv").write_text("\n".join(",".join(row) for row in [columns, *rows]))

booster = xgboost.Booster(model_file=bytearray((folder / "model" / "xgboost-model").read_bytes()))
# Named requirements spare MLflow a trial run that finds them out.
mlflow.xgboost.save_model(booster, str(folder / "mlflow-model"), pip_requirements=["xgboost-cpu", "pandas"])

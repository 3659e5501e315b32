"""The forward pass in numpy against torch's with the same weights, and the file that carries them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

from common.container import JobError
from common.encoder import Encoder, Feature, Label
from conftest import MODELS

import numpy
import pytest
import torch
from columns import category_sizes, pack
from forward import PART_VALUES, SMALL_ROWS, Network, Shape
from model import ENCODER_FILE, MODEL_FILE, SETTINGS, TabularModel
from network import TabM, predictions, quantile_bins

NUMBERS = [Feature("x", "number", True), Feature("when", "timestamp", True), Feature("flag", "boolean", True)]
CATEGORIES = [Feature("colour", "category", True, ("red", "green")), Feature("rare", "category", True)]
KINDS = {"both": [NUMBERS[0], CATEGORIES[0], *NUMBERS[1:], CATEGORIES[1]], "numbers": NUMBERS, "categories": CATEGORIES}
OUTPUTS = {"binary": 1, "multiclass": 3, "regression": 1}


def random_matrix(encoder, rows, seed=0):
    """What an encoder gives: NaN for missing everywhere, every code with the one for rare and unseen values, and numbers
    far beyond the bins.
    """
    random = numpy.random.default_rng(seed)
    matrix = (random.normal(size=(rows, encoder.width)) * 3).astype(numpy.float32)
    matrix[random.random(matrix.shape) < 0.05] = 1e6
    matrix[random.random(matrix.shape) < 0.02] = numpy.finfo(numpy.float32).max
    matrix[random.random(matrix.shape) < 0.02] = -numpy.finfo(numpy.float32).max
    categorical = numpy.flatnonzero(encoder.is_categorical)
    for place, size in zip(categorical, category_sizes(encoder), strict=True):
        matrix[:, place] = random.integers(0, size - 1, rows)
    matrix[random.random(matrix.shape) < 0.2] = numpy.nan
    return matrix


def networks(objective, kind="both", **changes):
    """(torch's network, the model with the same weights in numpy), all weights random."""
    encoder = Encoder(KINDS[kind], Label("target", "category", ("a", "b", "c")[: OUTPUTS[objective]]))
    sizes = {"members": 4, "width": 24, "depth": 2, "embedding": 6, "dropout": 0.0, **changes}
    training = numpy.random.default_rng(1).normal(size=(500, encoder.width)).astype(numpy.float32)
    shape = Shape(quantile_bins(training, encoder, 8), category_sizes(encoder), OUTPUTS[objective], **sizes)
    torch.manual_seed(2)
    network = TabM(shape)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
    centre, scale = (2.0, 0.5) if objective == "regression" else (0.0, 1.0)
    return network, TabularModel(Network(shape, network.arrays()), encoder, objective, centre, scale)


def by_torch(network, model, matrix):
    nothing = numpy.zeros(len(matrix), dtype=numpy.float32)
    columns = pack(matrix, nothing, nothing, model.encoder)
    return predictions(network, columns, model.objective).numpy() * model.scale + model.centre


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("objective", list(OUTPUTS))
def test_numpy_computes_what_torch_computes(objective, kind):
    network, model = networks(objective, kind)
    matrix = random_matrix(model.encoder, 400)
    found = model.predict(matrix)
    assert found.dtype == numpy.float32
    assert found.shape == ((400, 3) if objective == "multiclass" else (400,))
    assert numpy.abs(found - by_torch(network, model, matrix)).max() < 1e-5
    assert found.std() > 0.03


def test_other_depths_and_dropout_have_their_weights_in_place():
    network, model = networks("binary", depth=3, dropout=0.2)
    matrix = random_matrix(model.encoder, 50)
    assert numpy.abs(model.predict(matrix) - by_torch(network, model, matrix)).max() < 1e-5


def test_a_row_does_not_depend_on_the_rows_beside_it():
    """With the default sizes, where few rows' products are cut so that one thread computes them, and more parts than one."""
    for objective in OUTPUTS:
        _, model = networks(objective, members=16, width=192, embedding=12)
        rows = PART_VALUES // (16 * 192) + 60
        matrix = random_matrix(model.encoder, rows)
        together = model.predict(matrix)
        for row in (0, 1, rows // 2, rows - 1):
            assert numpy.allclose(model.predict(matrix[row : row + 1])[0], together[row], rtol=1e-6, atol=1e-6)
        few = slice(7, 7 + SMALL_ROWS)
        assert numpy.allclose(model.predict(matrix[few]), together[few], rtol=1e-6, atol=1e-6)


def test_contributions_tell_the_features_that_matter():
    _, model = networks("binary")
    weight = model.network.weights["numbers.weight"]
    weight[1:] = 0  # in place: of the numbers only the first column is left
    shap = model.contributions(random_matrix(model.encoder, 60))
    names = [feature.name for feature in model.encoder.features]
    assert shap.shape == (5,)
    assert shap[names.index("x")] > 0
    assert shap[names.index("when")] == shap[names.index("flag")] == 0


def saved(tmp_path, model):
    (tmp_path / MODEL_FILE).write_bytes(model.to_bytes())
    (tmp_path / ENCODER_FILE).write_text(model.encoder.to_json())
    return tmp_path


@pytest.mark.parametrize("objective", list(OUTPUTS))
def test_a_file_brings_the_same_bits_back(tmp_path, objective):
    _, model = networks(objective)
    again = TabularModel.load(saved(tmp_path, model))
    matrix = random_matrix(model.encoder, 30)
    assert again.predict(matrix).tobytes() == model.predict(matrix).tobytes()
    assert again.network.shape == model.network.shape
    assert again.to_bytes() == model.to_bytes()


def changed(content, **changes):
    """The file with other entries: None leaves one out."""
    entries = {**numpy.load(io.BytesIO(content)), **changes}
    stream = io.BytesIO()
    numpy.savez(stream, **{name: value for name, value in entries.items() if value is not None})
    return stream.getvalue()


def settings_of(content, **changes):
    settings = {**json.loads(numpy.load(io.BytesIO(content))[SETTINGS].tobytes()), **changes}
    return numpy.frombuffer(json.dumps(settings).encode(), dtype=numpy.uint8)


BROKEN = {
    "empty": (lambda content: b"", "cannot be read"),
    "half": (lambda content: content[: len(content) // 2], "cannot be read"),
    "one bit": (lambda content: content[:5000] + bytes([content[5000] ^ 1]) + content[5001:], "cannot be read"),
    "no file of ours": (lambda content: b"PK or not, this is none", "cannot be read"),
    "without settings": (lambda content: changed(content, **{SETTINGS: None}), "cannot be read"),
    "without a weight": (lambda content: changed(content, head_bias=None), "cannot be read"),
    "pickled": (lambda content: changed(content, head_bias=numpy.array([{}], dtype=object)), "cannot be read"),
    "other sizes": (lambda content: changed(content, head_bias=numpy.zeros((3, 1, 1))), "cannot be read"),
    "other version": (
        lambda content: changed(content, **{SETTINGS: settings_of(content, schemaVersion=2)}),
        "got a tabular-model of schemaVersion 2, expected 1; train the model again",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(BROKEN))
def test_a_broken_file_is_said(tmp_path, kind):
    change, message = BROKEN[kind]
    folder = saved(tmp_path, networks("binary")[1])
    (folder / MODEL_FILE).write_bytes(change((folder / MODEL_FILE).read_bytes()))
    with pytest.raises(JobError, match="train the model again") as failure:
        TabularModel.load(folder)
    assert message in str(failure.value)
    (folder / MODEL_FILE).unlink()
    with pytest.raises(JobError, match="got no tabular-model"):
        TabularModel.load(folder)


def run_without_torch(script, *arguments):
    """The script in a process where importing torch fails, as on the image that evaluates and serves."""
    start = "import os, sys; sys.modules['torch'] = None; sys.path[:0] = sys.argv[1:3]\n"
    paths = [str(MODELS), str(MODELS / "tabular")]
    done = subprocess.run(
        [sys.executable, "-c", start + script, *paths, *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_evaluation_and_serving_do_without_torch(tmp_path):
    _, model = networks("binary")
    matrix = random_matrix(model.encoder, 5)
    numpy.save(tmp_path / "matrix.npy", matrix)
    script = (
        "import evaluate, inference, numpy; from pathlib import Path; from model import TabularModel\n"
        "model = TabularModel.load(Path(sys.argv[3]))\n"
        "print(*model.predict(numpy.load(sys.argv[3] + '/matrix.npy')).tolist())"
    )
    answers = run_without_torch(script, str(saved(tmp_path, model)))
    assert [float(answer) for answer in answers] == model.predict(matrix).tolist()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads of a process are counted on Linux")
def test_threads_are_as_many_as_the_processors_that_the_process_may_use(tmp_path):
    _, model = networks("binary", members=16, width=192)
    script = (
        "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "import numpy; from pathlib import Path; from model import TabularModel\n"
        "model = TabularModel.load(Path(sys.argv[3]))\n"
        "model.predict(numpy.zeros((2000, model.encoder.width), numpy.float32))\n"
        "print(len(os.listdir('/proc/self/task')))"
    )
    assert run_without_torch(script, str(saved(tmp_path, model))) == ["1"]

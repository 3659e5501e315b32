"""The parts of the network and of a training step."""

from __future__ import annotations

from dataclasses import replace

import numpy
import pytest
import torch
from columns import Columns, batches
from fit import class_weights
from forward import Shape
from network import EnsembleLinear, PiecewiseLinear, TabM
from step import Acceleration, Stepper
from torch import nn

SHAPE = Shape([[0.0, 1.0, 3.0], [-1.0, 1.0]], [3, 5], 1, members=4, width=16, depth=2, embedding=6, dropout=0.0)
PLAIN = Acceleration(bf16=False, compiled=False, graph=False)


def random_columns(rows=64, seed=0):
    random = torch.Generator().manual_seed(seed)
    numbers = torch.randn(rows, 2, generator=random)
    numbers[::7, 0] = float("nan")
    codes = torch.stack([torch.randint(0, size, (rows,), generator=random) for size in (3, 5)], 1).to(torch.uint8)
    labels = (torch.rand(rows, generator=random) < 0.5).float()
    return Columns(numbers, codes, labels, torch.ones(rows))


def stepper(loss="binary", world=1, network=None):
    torch.manual_seed(0)
    network = network or TabM(SHAPE)
    return Stepper(network, torch.optim.AdamW(network.parameters(), lr=0.01), loss, PLAIN, world), network


def test_piecewise_codes_say_where_in_its_bin_a_value_lies():
    layer = PiecewiseLinear([[0.0, 1.0, 3.0]], 3)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(3).unsqueeze(0))
        layer.bias.zero_()
    values = torch.tensor([[0.25], [2.0], [-0.5], [4.0], [1e30], [-1e30], [float("nan")]])
    expected = [[0.25, 0, 0], [1, 0.5, 0], [-0.5, 0, 0], [1, 1.5, 0], [1, 2, 0], [-1, 0, 0], [0, 0, 1]]
    assert torch.equal(layer(values), torch.tensor(expected))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine can")
def test_what_a_machine_cannot_do_is_given_up_and_the_result_stays_the_same(capsys):
    (plain, expected), network = stepper(), TabM(SHAPE)
    network.load_state_dict(expected.state_dict())
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    wanted = Acceleration(bf16=False, compiled=True, graph=True)
    accelerated = Stepper(network, optimizer, "binary", wanted)
    for seed in range(3):
        assert torch.equal(accelerated.step(random_columns(seed=seed)), plain.step(random_columns(seed=seed)))
    assert all(torch.equal(*pair) for pair in zip(network.parameters(), expected.parameters(), strict=True))
    assert accelerated.used == PLAIN
    assert "no CUDA graph, steps are launched one by one" in capsys.readouterr().out


@pytest.mark.parametrize("first", [True, False])
def test_members_share_a_matrix_and_scale_it(first):
    layer = EnsembleLinear(3, 2, members=2, first=first)
    for scale in (layer.scale_in, layer.scale_out):
        nn.init.normal_(scale)
    x = torch.randn(5, 3) if first else torch.randn(5, 2, 3)
    for member in range(2):
        own = x if first else x[:, member]
        alone = (own * layer.scale_in[member]) @ layer.weight * layer.scale_out[member] + layer.bias[member]
        assert torch.allclose(layer(x)[:, member], alone, atol=1e-6)


def test_the_head_that_the_compiler_gets_is_the_same(monkeypatch):
    torch.manual_seed(0)
    network, batch = TabM(SHAPE), random_columns()
    called = network(batch.numbers, batch.codes)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert torch.allclose(network(batch.numbers, batch.codes), called, atol=1e-6)


def test_members_start_apart_and_shapes_are_right():
    network = TabM(SHAPE)
    batch = random_columns()
    outputs = network(batch.numbers, batch.codes)
    assert outputs.shape == (64, 4, 1)
    assert outputs.std(dim=1).min() > 0
    assert torch.isfinite(outputs).all()


def test_under_autocast_every_layer_is_bf16_and_near_the_float32_result():
    torch.manual_seed(0)
    network, batch, kinds = TabM(SHAPE), random_columns(), []
    for layer in network.layers:
        layer.register_forward_hook(lambda _layer, _inputs, output: kinds.append(output.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        rough = network(batch.numbers, batch.codes)
    assert set(kinds) == {torch.bfloat16}
    assert torch.allclose(rough.float(), network(batch.numbers, batch.codes), atol=0.05)


def test_out_of_memory_halves_what_is_computed_at_once_and_keeps_the_result(capsys):
    """A network that refuses more than 20 rows at once stands for a device that is too small for 64."""

    class Narrow(TabM):
        def forward(self, numbers, codes):
            if len(codes) > 20:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().forward(numbers, codes)

    plain, wide = stepper()
    torch.manual_seed(0)
    careful, narrow = stepper(network=Narrow(SHAPE))
    narrow.load_state_dict(wide.state_dict())
    for seed in range(5):
        batch = random_columns(seed=seed)
        assert float(careful.step(batch)) == pytest.approx(float(plain.step(batch)), rel=1e-5)
    assert "computed in 4 parts" in capsys.readouterr().out
    for mine, others in zip(narrow.parameters(), wide.parameters(), strict=True):
        assert torch.allclose(mine, others, atol=1e-5)


def test_a_row_that_does_not_fit_alone_is_an_error():
    class Never(TabM):
        def forward(self, numbers, codes):
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        stepper(network=Never(SHAPE))[0].step(random_columns(rows=4))


@pytest.mark.parametrize("loss", ["binary", "multiclass", "regression"])
def test_a_step_lowers_the_loss_of_its_batch(loss):
    shape = replace(SHAPE, outputs=2 if loss == "multiclass" else 1)
    torch.manual_seed(1)
    step, _ = stepper(loss, network=TabM(shape))
    batch = random_columns()
    losses = [float(step.step(batch)) for _ in range(30)]
    assert losses[-1] < losses[0]


def test_batches_are_full_and_in_order():
    columns = random_columns(rows=50)
    order = torch.randperm(50)
    seen = list(batches(columns, order, 16, columns.device))
    assert [batch.rows for batch in seen] == [16, 16, 16]
    assert torch.equal(torch.cat([batch.labels for batch in seen]), columns.labels[order[:48]])


def test_balanced_weights_give_classes_equal_sums_and_mean_one():
    labels = numpy.array([0] * 90 + [1] * 10, dtype=numpy.float32)
    weights = class_weights(labels, 2, "balanced")
    assert weights[labels == 0].sum() == pytest.approx(weights[labels == 1].sum())
    assert weights.mean() == pytest.approx(1)
    assert (class_weights(labels, 2, "none") == 1).all()

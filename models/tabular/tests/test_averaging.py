"""The mean of weights: of what, for how long, and the same after a resumption."""

from __future__ import annotations

import pytest
from averaging import SNAPSHOTS, WeightAverage
from torch import nn


def with_weight(value: float) -> nn.Module:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, value)
    return network


def run(average: WeightAverage, network: nn.Module, values: list[float]) -> float:
    """An epoch of steps that leave the weight at these values."""
    for step, value in enumerate(values, 1):
        nn.init.constant_(network.weight, value)
        average.after_step(step)
    return float(average.network.weight)


@pytest.mark.parametrize("steps", [1, 5, SNAPSHOTS, 1000])
def test_what_stays_is_its_own_mean(steps):
    network = with_weight(9.0)
    average = WeightAverage(network, steps)
    assert run(average, network, [0.25] * steps) == pytest.approx(0.25, abs=0.1 if steps > 1 else 0)
    for _ in range(9):
        last = run(average, network, [0.25] * steps)
    assert last == pytest.approx(0.25, abs=0.002)


def test_jumps_of_a_step_are_evened_out_and_an_epoch_long_ago_is_forgotten():
    network = with_weight(0.0)
    average = WeightAverage(network, 64)
    for _ in range(10):
        run(average, network, [5.0] * 64)
    jumps = [2.0 if step // 2 % 2 else -2.0 for step in range(64)]
    for _ in range(8):
        last = run(average, network, jumps)
    assert abs(last) < 0.1


def test_the_network_itself_is_left_alone():
    network = with_weight(1.0)
    average = WeightAverage(network, 2)
    run(average, network, [3.0, 7.0])
    assert float(network.weight.detach()) == 7.0
    assert network.weight.requires_grad
    assert not average.network.weight.requires_grad


def test_a_resumed_mean_goes_on_as_if_nothing_had_been():
    values = [float(step % 7) for step in range(100)]
    network = with_weight(0.0)
    whole = WeightAverage(network, 100)
    first = WeightAverage(network, 100)
    run(whole, network, values)
    run(first, network, values)
    other = with_weight(-1.0)
    second = WeightAverage(other, 100)
    second.resume(first.network.state_dict(), epochs=1)
    assert run(whole, network, values) == run(second, other, values)

"""Hyperparameters of the network that can only train nothing are refused; what is not given follows the data."""

from __future__ import annotations

from common.container import JobError
from common.project import parse_project

import pytest
from options import read_options, share_to_watch
from trials import project_of

PROJECT = parse_project(project_of("binary"))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("epochs", "0", "1 or more"),
        ("patience", "-1", "1 or more"),
        ("bins", "1", "2 or more"),
        ("dropout", "1", "0 or more and less than 1"),
        ("validation_share", "1.5", "0 or more and less than 1"),
        ("learning_rate", "nan", "0 or more"),
    ],
)
def test_out_of_bounds(name, text, expected):
    with pytest.raises(JobError) as error:
        read_options({name: text}, PROJECT)
    assert str(error.value).startswith(f"got hyperparameter {name}=")
    assert str(error.value).endswith(f"expected {expected}")


def test_of_few_rows_more_are_watched():
    assert [share_to_watch(read_options({}, PROJECT), rows) for rows in (1900, 5000, 10**6)] == [0.2, 0.1, 0.1]
    for share in ("0.05", "0"):
        chosen = read_options({"validation_share": share}, PROJECT)
        assert share_to_watch(chosen, 1900) == share_to_watch(chosen, 10**6) == float(share)

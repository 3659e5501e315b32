"""Evaluation of networks as a SageMaker processing job."""

from __future__ import annotations

from pathlib import Path

from common.container import Container, run_job
from common.evaluation import evaluate_job
from common.project import load_project

from model import TabularModel


def evaluate(container: Container) -> None:
    """Scores candidate and champion; see common/evaluation.py."""
    evaluate_job(container, load_project(Path(__file__).resolve().parent), TabularModel.load)


if __name__ == "__main__":
    run_job(evaluate)

"""The notebook for Colab and Binder: it fetches and installs, trains under another learning rate, and compares."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest

from sepconv.results.records import RunResult
from sepconv.results.store import read_all
from sepconv.spec import Budget

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def cells() -> list[str]:
    """The code cells, parameters first."""
    notebook = nbformat.read(ROOT / "binder" / "try-it.ipynb", as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def run(cells: list[str], **parameters: object) -> dict[str, Any]:
    """What the cells leave behind when they are run one after another with these parameters."""
    names: dict[str, Any] = {}
    exec(cells[0], names)
    names |= parameters
    for cell in cells[1:]:
        exec(cell, names)
    return names


def test_a_run_under_another_learning_rate_stands_beside_the_committed_ones(cells, monkeypatch):
    made: list[RunResult] = []
    (example, *_) = read_all(ROOT / "results").runs_of("tseng2020", "conv", Budget.SHORT)

    def train(wanted: Any) -> RunResult:
        made.append(example.model_copy(update={"seed": wanted.seed, "spec": wanted.spec}))
        return made[-1]

    monkeypatch.setattr("sepconv.training.trainer.train", train)
    left = run(cells, learning_rate=0.01)
    (yours,) = made
    assert yours.spec["recipe"]["schedule"]["learning_rate"] == 0.01
    assert {"yours, learning rate 0.01", "committed, learning rate 0.001"} == set(left["curves"]["run"])
    assert left["curves"].groupby(["run", "seed"]).size().eq(8).all()
    assert left["checkout"] == ROOT


def test_where_nothing_is_installed_the_commit_is_fetched_and_installed(cells, monkeypatch, tmp_path, capsys):
    commands: list[list[str]] = []

    def ran(command: list[str], **_: object) -> SimpleNamespace:
        commands.append(command)
        return SimpleNamespace(stdout="1234567 2026-01-01 a message\n")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", ran)
    run(cells[:2], repository="https://example.org/a/b", commit="1234567")
    checkout = str(tmp_path / "sepconv-checkout")
    assert commands == [
        ["git", "clone", "--quiet", "https://example.org/a/b", checkout],
        ["git", "-C", checkout, "checkout", "--quiet", "1234567"],
        [sys.executable, "-m", "pip", "install", "--quiet", checkout],
        ["git", "-C", checkout, "log", "-1", "--format=%H %cs %s"],
    ]
    assert "1234567" in capsys.readouterr().out


def test_the_environment_of_binder_is_the_pinned_one():
    folder = ROOT / "binder"
    (line,) = (folder / "requirements.txt").read_text().splitlines()
    assert (folder / line.removeprefix("-r ")).resolve() == ROOT / "requirements.txt"
    assert "--editable ." in (folder / "postBuild").read_text()
    assert (folder / "postBuild").stat().st_mode & 0o111

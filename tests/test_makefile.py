"""What make and the workflow do to the environment of a user, with programs that only say how they were called."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
MAKE = shutil.which("make")
NAMES = ("MATPLOTLIBRC", "PIP_USER", "PYTHONPATH", "CUDA_VISIBLE_DEVICES")
SHOWN = " ".join(f"{name}=${{{name}-unset}}" for name in NAMES)
# Creates an environment whose programs write into the log how they were called, and whose Python says 1.0.
PYTHON = f"""#!/bin/sh
test "$1" = -m || exit 0
rm -rf .venv
mkdir -p .venv/bin
for name in lint-imports mypy pip pytest python ruff sepconv; do
  printf '#!/bin/sh\\necho "%s $* {SHOWN}" >>log\\necho 1.0\\n' $name >.venv/bin/$name
  chmod +x .venv/bin/$name
done
"""


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Run make in a copy of the Makefile, and return how each program of the environment was called."""
    if MAKE is None:
        pytest.skip("no make")
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    for name in ("MAKEFLAGS", "MFLAGS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("MATPLOTLIBRC", "/home/me/serif")
    monkeypatch.setenv("PYTHONPATH", "/home/me/packages")

    def run(*arguments):
        (tmp_path / "log").write_text("")
        subprocess.run([MAKE, "PYTHON=./python", *arguments], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
        return (tmp_path / "log").read_text().splitlines()

    return run


def test_settings_of_the_user_reach_no_program(make):
    called = [*make("env"), *make("report"), *make("test")]
    assert {line.split()[0] for line in called} == {"pip", "sepconv", "ruff", "mypy", "lint-imports", "pytest"}
    assert [line for line in called if "MATPLOTLIBRC=/dev/null PIP_USER=0 PYTHONPATH=unset" not in line] == []


def test_only_tests_do_not_see_the_gpu_and_download_nothing(make):
    hidden = [line for line in make("test") if line.endswith("CUDA_VISIBLE_DEVICES=-1")]
    assert [line.split()[0] for line in hidden if "pytest" in line] == ["pytest"]
    assert "sepconv data --offline" in "\n".join(hidden)
    assert [line for line in make("report") if not line.endswith("CUDA_VISIBLE_DEVICES=unset")] == []


def test_libraries_of_a_gpu_survive_an_environment_that_is_made_anew(make):
    asked = "pip install --quiet --disable-pip-version-check tensorflow[and-cuda]==1.0"
    assert asked in "\n".join(make("env", "CUDA=tensorflow"))
    again = "\n".join(make("report", "-W", "requirements.txt"))  # as if a pull had touched them
    assert "--require-hashes -r requirements.txt" in again
    assert asked in again


def test_the_workflow_tests_the_systems_that_readme_names_and_caches_the_images():
    test = yaml.safe_load((ROOT / ".github/workflows/book.yml").read_text())["jobs"]["test"]
    matrix = test["strategy"]["matrix"]
    systems = {*matrix["system"], *(more["system"] for more in matrix["include"])}
    assert {system.partition("-")[0] for system in systems} == {"ubuntu", "macos"}
    readme = (ROOT / "README.md").read_text()
    assert "tests Linux (Ubuntu 24.04, x86-64). It runs on macOS (Apple silicon) too" in readme
    assert [step["with"]["path"] for step in test["steps"] if step.get("uses", "").startswith("actions/cache@")] == [
        "~/.cache/sepconv\n~/Library/Caches/sepconv\n"
    ]

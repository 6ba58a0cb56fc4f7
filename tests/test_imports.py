"""What judges results loads no deep-learning framework, and what trains needs few packages."""

import subprocess
import sys
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOMS = (
    "spec",
    "papers",
    "results.store",
    "verdicts.judge",
    "verdicts.compare",
    "verdicts.calibration",
    "verdicts.attribution",
)


def test_judging_imports_no_framework():
    imports = "; ".join(f"import sepconv.{name}" for name in ROOMS)
    code = f"import sys; {imports}; print({{m.split('.')[0] for m in sys.modules}} & {{'keras', 'tensorflow', 'jax'}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


# --- what trains -----------------------------------------------------------------------------------------------------

NEEDED_TO_TRAIN = ("numpy", "pydantic", "keras", "jax", "filelock", "tqdm", "typer")  # and what these need themselves

_WITHOUT_THE_REST = """
import sys
from importlib.abc import MetaPathFinder

NAMES = set(sys.argv.pop(1).split())

class Refusal(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in NAMES:
            raise ModuleNotFoundError(f"not installed here: {name}", name=name)

sys.meta_path.insert(0, Refusal())
from sepconv.cli import main
main()
"""


def needed_by(names):
    """Distributions that are installed with these, themselves included."""
    found, new = set(), {canonicalize_name(name) for name in names}
    while new:
        found |= new
        needs = [Requirement(line) for name in new for line in metadata.requires(name) or ()]
        new = {canonicalize_name(need.name) for need in needs if not need.marker or need.marker.evaluate()} - found
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("cifar10")
def test_training_on_jax_needs_few_packages(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    kept = needed_by(NEEDED_TO_TRAIN)
    modules = metadata.packages_distributions().items()
    others = {module for module, owners in modules if not kept & {canonicalize_name(owner) for owner in owners}}
    assert {"pandas", "tensorflow", "pooch", "matplotlib"} <= others
    command = [sys.executable, "-c", _WITHOUT_THE_REST, " ".join(others - {"sepconv"}), "run", "tseng2020", "conv"]
    folders = ["--results", tmp_path / "results", "--checkpoints", tmp_path / "checkpoints"]
    done = subprocess.run([*command, *folders], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("results/tseng2020/conv/*.json"))) == 1

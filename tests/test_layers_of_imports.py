"""A module imports only from its left, and what judges results needs no deep-learning framework."""

import ast
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SOURCE = Path(__file__).parents[1] / "src" / "sepconv"

# From left to right. Modules on one line are one layer and may import each other, as long as there is no circle.
LAYERS = (
    {"spec"},
    {"papers"},
    {"results"},  # the store: what trains and counts writes with it, what judges reads with it
    {"roofline"},
    {"environment", "schedule", "data", "augment", "depthwise", "depthwise_ways", "kernels", "networks", "objective"},
    {"checkpoint", "engine_tensorflow", "engine_jax", "train"},
    {"cost", "latency", "bench", "memory", "machine"},
    {"stats"},
    {"measures"},
    {"verdicts"},
    {"sentences"},
    {"claims"},
    {"attribution", "calibration", "compare"},
    {"markup"},
    {"markup", "tidy", "roofline"},  # what figures and tables are made with
    {"tidy", "speed"},
    {"figures", "tables", "terminal"},
    {"campaign", "pages", "exports", "prose", "report", "cli", "__main__"},  # the program around it all
)
LAYER = {name: number for number, layer in enumerate(LAYERS) for name in layer}
WITHOUT_FRAMEWORK = (
    "spec",
    "papers",
    "results",
    "stats",
    "measures",
    "verdicts",
    "claims",
    "attribution",
    "calibration",
    "compare",
)


def module_of(path):
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path):
    """Modules of the package that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("sepconv."))


FILES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def test_every_module_has_a_place():
    assert {module_of(path) for path in FILES} <= LAYER.keys()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_only_from_the_left(path):
    own = module_of(path)
    for name in imported(path):
        assert LAYER[name] <= LAYER[own], f"{own} imports {name}, which stands to its right"


def test_no_circle():
    graph = {}
    for path in FILES:
        graph.setdefault(module_of(path), set()).update(set(imported(path)) - {module_of(path)})
    while graph:
        leaves = [module for module, needed in graph.items() if not needed & graph.keys()]
        assert leaves, f"modules import each other in a circle: {sorted(graph)}"
        for leaf in leaves:
            del graph[leaf]


def test_judging_imports_no_framework():
    imports = "; ".join(f"import sepconv.{name}" for name in WITHOUT_FRAMEWORK)
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

"""From the notebooks' sources to the checked book: jupytext, papermill, jupyter-book, and the gates to pass.

One way only: ``notebooks/NAME.py`` is converted in memory, executed from ``book/papers/``, written to
``book/papers/NAME.ipynb`` without anything that differs from one execution to the next, and built into
``book/_build/html``. Each executed notebook carries a hash of what it was made from, so a stale one is found.
"""

import ast
import atexit
import hashlib
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sepconv.files import read_bounded, write_atomically
from sepconv.results.store import result_files
from sepconv.spec import InputError, canonical_json

Parameter = str | int | float | bool
Parameters = Mapping[str, Parameter]
_KINDS: Mapping[type, str] = {bool: "True or False", int: "a whole number", float: "a number", str: "a text"}
_OWN_RESULTS = "../../results"  # from where notebooks are executed; the default of their parameter results_dir
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


class ReportError(InputError):
    """The report cannot be made, or a gate found faults: one line each."""


# --- executing -------------------------------------------------------------------------------------------------------


def parse_parameters(root: Path, texts: Iterable[str]) -> dict[str, Parameter]:
    """Read ``name=value`` as given on a command line, each value as the type of its default in the notebooks.

    Raises:
        ReportError: a text without ``=``, a name that no notebook declares, or a value of another type.
    """
    defaults = {name: default for source in sources(root) for name, default in _declared(source).items()}
    parameters: dict[str, Parameter] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (equals and name.isidentifier()):
            raise ReportError(f"parameter {text!r}: expected name=value")
        _check_names([name], defaults)
        parameters[name] = _read_as(type(defaults[name]), name, value)
    return parameters


def _read_as(kind: type, name: str, text: str) -> Parameter:
    try:
        return {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise ReportError(f"parameter {name}: expected {_KINDS[kind]}, got {text!r}") from None


def _check_names(names: Iterable[str], known: Iterable[str]) -> None:
    if unknown := sorted(set(names) - set(known)):
        raise ReportError(f"unknown parameter {', '.join(unknown)}; the notebooks declare {', '.join(sorted(known))}")


def execute(root: Path, parameters: Parameters | None = None) -> tuple[Path, ...]:
    """Execute every notebook of ``root/notebooks`` and write it to ``root/book/papers``; return what was written.

    ``parameters`` replaces defaults of the notebooks' ``parameters`` cells; each notebook takes those that it declares.
    With ``train`` the notebooks that declare it train first, one after another; then all are made from the results that
    there are then, so that none shows less than another. Nothing is written for a notebook that fails.

    Raises:
        ReportError: there is no notebook, no notebook declares one of the parameters, one is of another type than its
            default, or a cell fails.
    """
    given = dict(parameters or {})
    declared = {source: _declared(source) for source in sources(root)}
    if not declared:
        raise ReportError(f"{root / 'notebooks'}: expected notebooks (*.py), found none; run from the repository")
    _check_names(given, set().union(*declared.values()))
    for name, default in (item for defaults in declared.values() for item in defaults.items()):
        if type(given.get(name, default)) is not type(default):  # such as "yes", which would count as true
            raise ReportError(f"parameter {name}: expected {_KINDS[type(default)]}, got {given[name]!r}")
    executed_folder(root).mkdir(parents=True, exist_ok=True)
    each = {source: {k: v for k, v in given.items() if k in names} for source, names in declared.items()}
    if given.get("train"):
        training = {source: parameters for source, parameters in each.items() if "train" in parameters}
        _execute_all(root, training, workers=1)
        each |= {source: parameters | {"train": False} for source, parameters in training.items()}
    return _execute_all(root, each, workers=min(len(each), os.cpu_count() or 1))


def _execute_all(root: Path, notebooks: Mapping[Path, dict[str, Parameter]], workers: int) -> tuple[Path, ...]:
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _prepare_worker) as pool:
        executed = pool.map(_execute_one, [root] * len(notebooks), notebooks.keys(), notebooks.values())
        return tuple(tqdm(executed, "notebooks", len(notebooks), disable=None))


def _prepare_worker() -> None:
    """Keep the user's settings out of a worker and its kernels, and end both with the process that started them."""
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # also where the user has another kernel named python3
    os.environ.pop("JUPYTER_PATH", None)
    os.environ["MATPLOTLIBRC"] = os.devnull
    os.environ["IPYTHONDIR"] = tempfile.mkdtemp(prefix="sepconv-ipython-")
    atexit.register(shutil.rmtree, os.environ["IPYTHONDIR"], ignore_errors=True)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Kernels look by themselves whether their parent is there, and trainings whether theirs is."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # a worker has one
    parent.join()
    shutil.rmtree(os.environ["IPYTHONDIR"], ignore_errors=True)
    os._exit(1)


def _execute_one(root: Path, source: Path, parameters: dict[str, Parameter]) -> Path:
    import nbformat
    import papermill

    folder = executed_folder(root)
    before = fingerprint(root, source, parameters)
    try:
        notebook = papermill.execute_notebook(
            read_source(source),
            None,
            parameters,
            kernel_name=_KERNEL["name"],
            progress_bar=False,
            cwd=folder,
            coalesce_streams=True,  # or printed lines are cut where the kernel happens to flush
            extra_arguments=["--log-level=CRITICAL"],  # of the kernel's own log; a cell's errors come with its outputs
        )
    except papermill.PapermillExecutionError as error:
        where = f"{source.relative_to(root)}, code cell {error.exec_count}"
        raise ReportError(f"{where}: {error.ename}: {error.evalue}\n{error.source}") from None
    normalise(notebook, source.stem)
    notebook.metadata["sepconv"] = {"sources": before}
    target = folder / f"{source.stem}.ipynb"
    write_atomically(target, (nbformat.writes(notebook) + "\n").encode())
    return target


def normalise(notebook: Any, name: str) -> None:  # noqa: ANN401 - nbformat has no types
    """Drop from an executed notebook, in place, what two executions of the same sources would write differently."""
    ran = notebook.metadata.get("papermill", {})
    notebook.metadata = type(notebook.metadata)(
        kernelspec=_KERNEL,
        language_info={"name": "python", "file_extension": ".py", "pygments_lexer": "ipython3"},
        papermill={"parameters": ran.get("parameters", {})},
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{name}-{number}"
        for key in ("papermill", "execution", "lines_to_next_cell"):
            cell.metadata.pop(key, None)


def fingerprint(root: Path, source: Path, parameters: Parameters) -> str:
    """SHA-256 of all that an executed notebook is made from: package, results, its own source, parameters.

    Every parameter whose name ends in ``_dir`` is a folder of results, where it is not empty.
    """
    package = root / "src" / "sepconv"
    given = {"results_dir": _OWN_RESULTS} | _declared(source) | dict(parameters)
    names = sorted(name for name in given if name.endswith("_dir") and given[name])
    folders = [executed_folder(root) / str(given[name]) for name in names]
    made_from = [
        *((source.parent, source),),
        *((package, path) for pattern in ("*.py", "*.csv") for path in sorted(_visible(package, pattern))),
        *((folder, path) for folder in folders for path in result_files(folder, [])),
    ]
    digest = hashlib.sha256(canonical_json(dict(parameters)))
    for base, path in made_from:
        digest.update(f"{path.relative_to(base).as_posix()}\0".encode())
        digest.update(hashlib.sha256(read_bounded(path)).digest())
    return digest.hexdigest()


def results_folder(root: Path, parameters: Parameters) -> Path:
    """The folder of results that pages executed with these parameters are made from."""
    return (executed_folder(root) / str(parameters.get("results_dir", _OWN_RESULTS))).resolve()


def _visible(folder: Path, pattern: str) -> Iterator[Path]:
    """Without what editors leave there under names that begin with a dot, such as links that lead nowhere."""
    return (path for path in folder.rglob(pattern) if not path.name.startswith("."))


def read_source(source: Path) -> Any:  # noqa: ANN401 - nbformat has no types
    """The notebook that a py:percent source describes, not executed."""
    import jupytext

    notebook = jupytext.read(source)
    notebook.metadata["kernelspec"] = _KERNEL
    return notebook


def _declared(source: Path) -> dict[str, Parameter]:
    """Names and defaults in the cell tagged ``parameters``."""
    import papermill

    try:
        found = papermill.inspect_notebook(read_source(source))
        return {name: ast.literal_eval(parameter["default"]) for name, parameter in found.items()}
    except (SyntaxError, ValueError):
        raise ReportError(f"{source}: expected the parameters cell to assign plain literals only") from None


def sources(root: Path) -> list[Path]:
    """The notebooks' sources below ``root``, by name."""
    return sorted((root / "notebooks").glob("*.py"))


def executed_folder(root: Path) -> Path:
    """Where executed notebooks lie."""
    return root / "book" / "papers"


# --- building --------------------------------------------------------------------------------------------------------


def build(root: Path) -> Path:
    """Build the book from scratch, any warning an error, and return its first page.

    Raises:
        ReportError: jupyter-book warned or failed; its own messages are in the error.
    """
    shutil.rmtree(root / "book" / "_build", ignore_errors=True)  # an unchanged page would not repeat its warnings
    printed_book(root).unlink(missing_ok=True)  # of an earlier book
    jupyter_book(root)
    return html(root) / "index.html"


def jupyter_book(root: Path, *options: str) -> None:
    """Have jupyter-book build the book, any warning an error.

    Raises:
        ReportError: jupyter-book warned or failed; its own messages are in the error.
    """
    program = Path(sys.executable).with_name("jupyter-book")
    command = [str(program), "build", str(root / "book"), "-W", "-n", "--keep-going", "-q", *options]
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if ran.returncode:
        raise ReportError(f"{ran.stdout}\nthe book was not built; the warnings above name the page and the line")


def printed_book(root: Path) -> Path:
    """Where the book lies as a PDF, if it was printed since it was built; then its pages offer it."""
    return root / "book" / "_static" / "depthwise-separable-convolution-reproduced.pdf"


def html(root: Path) -> Path:
    """The folder of the built pages."""
    return root / "book" / "_build" / "html"

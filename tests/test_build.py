"""Each gate fails on the fault that it is there for, and a clean report passes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from sepconv.report import build, gates
from sepconv.report.build import ReportError

ROOT = Path(__file__).resolve().parents[1]

SOURCE = """\
# %% [markdown]
# # A page
# With results.

# %% tags=["parameters"]
budget = "smoke"
results_dir = "../../results"

# %%
from pathlib import Path
print(len(list(Path(results_dir).glob("*/*/*.json"))))
print("first", flush=True); print(budget, flush=True)
"""
PAGE = '<html><head><link rel="stylesheet" href="_static/a.css"><link rel="canonical" href="https://other.org/"></head></html>'


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one notebook, executed once."""
    root = tmp_path_factory.mktemp("repository")
    write(root / "notebooks" / "page.py", SOURCE)
    write(root / "results" / "paper" / "experiment" / "cost.json", "{}")
    write(root / "src" / "sepconv" / "module.py", "")
    build.execute(root)
    return root


@pytest.fixture
def root(executed: Path, tmp_path: Path) -> Path:
    """A copy of it to break."""
    for path in executed.rglob("*.*"):
        if path.is_file():
            write(tmp_path / path.relative_to(executed), path.read_text())
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def edit(root: Path, change: Callable[[dict], object]) -> None:
    path = root / "book" / "papers" / "page.ipynb"
    notebook = json.loads(path.read_text())
    change(notebook)
    path.write_text(json.dumps(notebook))


def faults(root: Path) -> str:
    return "\n".join(gates.notebook_faults(root))


def test_a_clean_notebook_passes(root):
    assert faults(root) == ""


def test_a_warning_on_a_page_is_a_fault(root):
    warning = {"name": "stderr", "output_type": "stream", "text": ["/home/me/x.py:3: UserWarning: too small\n"]}
    edit(root, lambda nb: nb["cells"][-1]["outputs"].append(warning))
    assert "warns: /home/me/x.py:3: UserWarning: too small" in faults(root)


def test_two_executions_write_the_same_bytes_also_where_the_user_has_another_kernel(root, monkeypatch):
    kernel = {"argv": ["false"], "display_name": "Another", "language": "python"}
    write(root / "jupyter" / "kernels" / "python3" / "kernel.json", json.dumps(kernel))
    monkeypatch.setenv("JUPYTER_PATH", str(root / "jupyter"))
    path = root / "book" / "papers" / "page.ipynb"
    before = path.read_bytes()
    path.unlink()
    assert build.execute(root) == (path,)
    assert path.read_bytes() == before
    nbformat.validate(nbformat.read(path, as_version=4))


SETTINGS = """\
# %% tags=["parameters"]
results_dir = "../../results"

# %%
import os, matplotlib
from IPython import get_ipython
print(matplotlib.rcParams["font.family"], "started" in get_ipython().user_ns)
"""


def test_settings_of_the_user_reach_no_page(root, monkeypatch):
    write(root / "mine" / "matplotlibrc", "font.family: serif\nno.such.setting: nonsense\n")
    write(root / "mine" / "profile_default" / "startup" / "first.py", "started = True")
    monkeypatch.setenv("MATPLOTLIBRC", str(root / "mine"))
    monkeypatch.setenv("IPYTHONDIR", str(root / "mine"))
    write(root / "notebooks" / "page.py", SETTINGS)
    (path,) = build.execute(root)
    (output,) = nbformat.read(path, as_version=4).cells[-1].outputs
    assert output.text == "['sans-serif'] False\n"


def test_what_editors_leave_beside_results_and_code_makes_nothing_stale(root):
    for folder in ("results/paper/experiment", "src/sepconv"):
        (root / folder / ".#x.json").symlink_to("nobody@nowhere:1")
        (root / folder / ".#x.py").symlink_to("nobody@nowhere:1")
    assert faults(root) == ""


def test_lines_that_the_kernel_flushes_apart_are_one_output(executed):
    notebook = nbformat.read(executed / "book" / "papers" / "page.ipynb", as_version=4)
    assert [o.text for o in notebook.cells[-1].outputs if o.output_type == "stream"] == ["1\nfirst\nsmoke\n"]


def test_no_time_and_no_path_of_the_machine_is_kept(executed):
    text = (executed / "book" / "papers" / "page.ipynb").read_text()
    assert str(executed) not in text
    assert "duration" not in text
    assert "_time" not in text


def test_a_parameter_reaches_the_notebook_and_its_fingerprint(root):
    build.execute(root, {"budget": "paper"})
    assert '"paper\\n"' in (root / "book" / "papers" / "page.ipynb").read_text()
    assert faults(root) == ""
    edit(root, lambda nb: nb["metadata"]["papermill"]["parameters"].update(budget="short"))
    assert "stale" in faults(root)


def test_an_unknown_parameter_is_refused_with_those_that_exist(root):
    with pytest.raises(ReportError, match="unknown parameter budgt; the notebooks declare budget, results_dir"):
        build.execute(root, {"budgt": "paper"})


def test_a_failing_cell_is_named_and_nothing_is_written(root):
    target = root / "book" / "papers" / "page.ipynb"
    before = target.read_bytes()
    write(root / "notebooks" / "page.py", SOURCE + "\n# %%\n1 / 0\n")
    with pytest.raises(ReportError, match=r"notebooks/page.py, code cell 3: ZeroDivisionError"):
        build.execute(root)
    assert target.read_bytes() == before


def test_a_folder_without_notebooks_is_refused(tmp_path):
    with pytest.raises(ReportError, match="expected notebooks"):
        build.execute(tmp_path)


def test_an_error_output_is_found(root):
    error = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": []}
    edit(root, lambda nb: nb["cells"][-1]["outputs"].append(error))
    assert "ValueError: no" in faults(root)


@pytest.mark.parametrize("text", ["on <script>alert(1)</script>", "`a` <img src=x onerror=alert(1)>", "<!-- -->"])
def test_html_in_markdown_is_found(root, text):
    shown = {"output_type": "display_data", "metadata": {}, "data": {"text/markdown": ["All ", text]}}
    edit(root, lambda nb: nb["cells"][-1]["outputs"].append(shown))
    assert "shows HTML in Markdown, <" in faults(root)


def test_a_download_and_a_comparison_in_markdown_are_no_html(root):
    shown = {"output_type": "display_data", "metadata": {}, "data": {"text/markdown": "{download}`CSV <a.csv>` 1 < 2"}}
    edit(root, lambda nb: nb["cells"][-1]["outputs"].append(shown))
    assert faults(root) == ""


def test_papermills_exception_is_found(root):
    edit(root, lambda nb: nb["metadata"]["papermill"].update(exception=True))
    assert "papermill stopped" in faults(root)


def test_papermills_error_mark_is_found(root):
    edit(root, lambda nb: nb["cells"][0]["metadata"].update(tags=["papermill-error-cell-tag"]))
    assert "papermill's mark" in faults(root)


@pytest.mark.parametrize(
    "changed", ["notebooks/page.py", "results/paper/experiment/cost.json", "src/sepconv/module.py", "src/sepconv/a.csv"]
)
def test_a_change_of_what_it_is_made_from_makes_it_stale(root, changed):
    path = root / changed
    write(path, path.read_text() + "\n" if path.exists() else "")
    assert "page.ipynb: stale" in faults(root)


def test_a_new_result_makes_it_stale_and_a_lock_does_not(root):
    write(root / "results" / "paper" / "experiment" / ".lock", "")
    assert faults(root) == ""
    write(root / "results" / "paper" / "other" / "cost.json", "{}")
    assert "stale" in faults(root)


@pytest.mark.parametrize("where", ["theirs", "results"])
def test_every_folder_of_results_that_a_notebook_is_made_from_is_watched(root, where):
    write(root / "notebooks" / "page.py", SOURCE.replace("results_dir =", 'theirs_dir = ""\nresults_dir ='))
    write(root / "theirs" / "paper" / "experiment" / "cost.json", "{}")
    build.execute(root, {"theirs_dir": "../../theirs"})
    assert faults(root) == ""
    write(root / where / "paper" / "experiment" / "cost.json", "[]")
    assert "page.ipynb: stale" in faults(root)


def test_a_source_that_was_never_executed_is_found(root):
    write(root / "notebooks" / "new.py", SOURCE)
    assert faults(root) == "notebooks/new.py: not executed; run make report"


def test_an_executed_notebook_without_source_is_found(root):
    (root / "notebooks" / "page.py").unlink()
    assert "no source" in faults(root)


def test_a_damaged_notebook_is_found(root):
    write(root / "book" / "papers" / "page.ipynb", "{")
    assert "no JSON" in faults(root)


def test_local_pages_pass(tmp_path):
    write(tmp_path / "index.html", PAGE + '<a href="https://other.org/">a link</a><img src="data:image/png;base64,">')
    write(tmp_path / "_static" / "a.css", 'a { background: url("data:image/svg+xml;xmlns=http://www.w3.org") }')
    assert list(gates.page_faults(tmp_path)) == []


def test_a_missing_first_page_is_found(tmp_path):
    (fault,) = gates.page_faults(tmp_path)
    assert "index.html: expected the book's first page" in fault


@pytest.mark.parametrize(
    "markup",
    [
        '<script src="https://other.org/x"></script>',
        '<link rel="preload" href="//other.org/x">',
        '<link rel="icon" href="https://other.org/x">',
        '<img src="https://other.org/x">',
        '<img src="a.png" srcset="a.png 1x, https://other.org/x 2x">',
        '<iframe src="https://other.org/x"></iframe>',
        "<style>@import 'https://other.org/x';</style>",
        '<p style="background: url(https://other.org/x)">',
    ],
)
def test_what_a_page_loads_from_another_host_is_found(tmp_path, markup):
    write(tmp_path / "index.html", PAGE + markup)
    (fault,) = gates.page_faults(tmp_path)
    assert fault.startswith("index.html: loads")
    assert "other.org/x" in fault


def test_what_a_style_loads_from_another_host_is_found(tmp_path):
    write(tmp_path / "index.html", PAGE)
    write(tmp_path / "a.css", "@font-face { src: url('https://other.org/font.woff2') }")
    assert list(gates.page_faults(tmp_path)) == ["a.css: loads https://other.org/font.woff2"]


def test_check_names_every_fault(root):
    edit(root, lambda nb: nb["metadata"]["papermill"].update(exception=True))
    with pytest.raises(ReportError, match=r"(?s)papermill stopped.*index.html"):
        gates.check(root)


PARAMETERS = """\
# %% tags=["parameters"]
theirs_dir = ""
train = False
seeds = 3
share = 0.5
"""


@pytest.fixture
def declaring(tmp_path):
    write(tmp_path / "notebooks" / "page.py", PARAMETERS)
    return tmp_path


def test_parameters_are_read_as_the_type_of_their_default(declaring):
    given = ["theirs_dir=2024", "train=true", "seeds=4", "share=1"]
    parsed = build.parse_parameters(declaring, given)
    assert parsed == {"theirs_dir": "2024", "train": True, "seeds": 4, "share": 1.0}
    assert type(parsed["share"]) is float


@pytest.mark.parametrize("text", ["theirs_dir", "=x", "a b=1", "x;y=1"])
def test_a_parameter_without_a_name_or_value_is_refused(declaring, text):
    with pytest.raises(ReportError, match="expected name=value"):
        build.parse_parameters(declaring, [text])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("train=yes", "parameter train: expected True or False, got 'yes'"),
        ("train=1", "parameter train: expected True or False, got '1'"),
        ("seeds=many", "parameter seeds: expected a whole number, got 'many'"),
        ("share=half", "parameter share: expected a number, got 'half'"),
        ("seed=1", "unknown parameter seed; the notebooks declare seeds, share, theirs_dir, train"),
    ],
)
def test_a_parameter_of_another_type_than_its_default_is_refused(declaring, text, line):
    with pytest.raises(ReportError, match=f"^{line}$"):
        build.parse_parameters(declaring, [text])


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_a_value_that_would_count_as_true_trains_nothing(declaring, value):
    with pytest.raises(ReportError, match="parameter train: expected True or False"):
        build.execute(declaring, {"train": value})


def test_the_committed_notebooks_pass_the_gates():
    assert faults(ROOT) == ""


ORPHANED = """\
# %% tags=["parameters"]
results_dir = "../../results"

# %%
import os, time
from pathlib import Path
Path(results_dir, "pid").write_text(str(os.getpid()))
time.sleep(100)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_report_leaves_no_kernel_running(root, how):
    write(root / "notebooks" / "page.py", ORPHANED)
    code = f"from pathlib import Path; from sepconv.report import build; build.execute(Path({str(root)!r}))"
    report = subprocess.Popen([sys.executable, "-c", f"if __name__ == '__main__': {code}"])
    told = root / "results" / "pid"
    wait_until(lambda: told.exists() and told.read_text())
    report.send_signal(how)
    report.wait()
    wait_until(lambda: not is_running(int(told.read_text())))


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(holds, seconds=60):
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.1)


TRAINING = """\
# %% tags=["parameters"]
results_dir = "../../results"
train = False

# %%
from pathlib import Path
if train:
    Path(results_dir, "paper", "experiment", "run.json").write_text("{}")
"""


def test_a_notebook_that_trains_leaves_no_other_stale(root):
    write(root / "notebooks" / "training.py", TRAINING)  # after "page", which counts the results
    build.execute(root, {"train": True})
    assert faults(root) == ""
    assert "train = False" in (root / "book" / "papers" / "training.ipynb").read_text()

"""``sepconv new``: what it writes is valid at once, and bad input leaves everything as it was."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sepconv import cli
from sepconv.report import new_paper
from sepconv.report.new_paper import NewPaperError

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("src", "book", "_toc.yml", "_config.yml", "CITATION.cff", "tests/excerpts", "results/tseng2020")
PAGES = ("departures", "index", "training")  # of the pages over all papers, those that show what the modules state


@pytest.fixture
def checkout(tmp_path):
    """As much of a checkout as a new paper touches."""
    for name in ("src/sepconv/papers", "notebooks", "tests/excerpts", "book"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "src/sepconv/papers/old2001.py").touch()
    (tmp_path / "_toc.yml").write_text("chapters:\n      - file: papers/old2001\n      - file: papers/index\n")
    (tmp_path / "book/references.bib").write_text("@misc{old2001,\n  year = {2001}\n}\n")
    return tmp_path


def contents(root):
    return {path.relative_to(root): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_the_page_is_listed_below_the_other_papers_pages(checkout):
    written = new_paper.write(checkout, "nova2030")
    assert (checkout / "_toc.yml").read_text().splitlines()[1:] == [
        "      - file: papers/old2001",
        "      - file: papers/nova2030",
        "      - file: papers/index",
    ]
    references = (checkout / "book/references.bib").read_text()
    assert references.startswith("@misc{old2001,\n  year = {2001}\n}\n\n@misc{nova2030,\n")
    assert "year   = {2030}" in references
    assert {path.relative_to(checkout).as_posix() for path in written} == {
        *("src/sepconv/papers/nova2030.py", "notebooks/nova2030.py", "tests/excerpts/nova2030.md"),
        *("book/references.bib", "_toc.yml"),
    }


@pytest.mark.parametrize(
    "key", ["", "Nova2030", "2030nova", "nova-2030", "nova_2030", "../nova", "all", "machines", "is"]
)
def test_a_bad_name_is_refused(checkout, key):
    before = contents(checkout)
    with pytest.raises(NewPaperError, match="expected a name of lower-case letters and digits, such as nova2030; got "):
        new_paper.write(checkout, key)
    assert contents(checkout) == before


@pytest.mark.parametrize(
    "where", ["src/sepconv/papers/nova2030.py", "notebooks/nova2030.py", "tests/excerpts/nova2030.md"]
)
def test_a_taken_name_is_refused(checkout, where):
    (checkout / where).touch()
    before = contents(checkout)
    with pytest.raises(NewPaperError, match=f"got nova2030, which {where} has already$"):
        new_paper.write(checkout, "nova2030")
    assert contents(checkout) == before


def test_a_name_that_references_or_contents_have_is_refused(checkout):
    (checkout / "src/sepconv/papers/old2001.py").rename(checkout / "src/sepconv/papers/older2000.py")
    with pytest.raises(NewPaperError, match=r"got old2001, which book/references.bib, _toc.yml has already$"):
        new_paper.write(checkout, "old2001")


def test_a_folder_that_is_no_checkout_is_refused_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sepconv", "new", "nova2030"])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        f"sepconv: {tmp_path}: expected a checkout, found no _toc.yml, book/references.bib, notebooks"
    )
    assert list(tmp_path.iterdir()) == []


def test_where_one_file_cannot_be_written_none_is(checkout, monkeypatch):
    before, write = contents(checkout), new_paper.write_atomically

    def refuse(path, data):
        if path.name == "_toc.yml":
            raise OSError("no space left")
        write(path, data)

    monkeypatch.setattr(new_paper, "write_atomically", refuse)
    with pytest.raises(NewPaperError, match="expected a checkout to write to, got: no space left"):
        new_paper.write(checkout, "nova2030")
    assert contents(checkout) == before


# --- two papers, all the way to the book -----------------------------------------------------------------------------

NOVA, VEGA = "nova2030", "vega2031"
REPORT = "from pathlib import Path; from sepconv.report import build, gates; root = Path.cwd(); build.execute(root); "
REPORT += "build.build(root); print(*gates.page_faults(build.html(root)), *gates.prose_faults(root), sep='\\n')"


@pytest.mark.slow
@pytest.mark.usefixtures("cifar10")
def test_two_new_papers_go_all_the_way_to_the_book_with_no_edit_elsewhere(tmp_path):
    root = copied(tmp_path)
    environment = os.environ | {"PYTHONPATH": str(root / "src"), "TF_CPP_MIN_LOG_LEVEL": "2"}

    def python(*arguments, **settings):
        command = [sys.executable, *arguments]
        ran = subprocess.run(command, cwd=root, env=environment | settings, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def sepconv(*arguments, **settings):
        return python("-m", "sepconv", *arguments, **settings)

    for key in (NOVA, VEGA):
        sepconv("new", key)
    module = root / "src" / "sepconv" / "papers" / f"{VEGA}.py"
    module.write_text(module.read_text().replace('"cifar10", RECIPE, note', '"cifar10", note'))
    both = ("--paper", NOVA, "--paper", VEGA)
    listed = sepconv("list", *both)
    assert [line.split()[-1] for line in listed.splitlines() if "tseng.conv" in line] == ["paper", "only"]
    sepconv("cost", *both, KERAS_BACKEND="jax")  # which starts sooner, and counts the same
    assert "test accuracy" in sepconv("run", NOVA)
    assert sepconv("judge", *both).count("1 reproduced\n") == 2
    assert [fault for fault in python("-c", REPORT).splitlines() if NOVA in fault or VEGA in fault] == []
    for key in (NOVA, VEGA):
        page = (root / "book" / "_build" / "html" / "papers" / f"{key}.html").read_text()
        assert f'<details class="sc-claim" id="{key}.params-conv">' in page
        assert f'id="{key}/conv/recipe"' in page
        assert f"Title of {key}" in (root / "book" / "_build" / "html" / "references.html").read_text()


def copied(folder):
    """A copy of what the report is made from, with only the notebooks that a new paper can break."""
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("_build", "__pycache__"))
        else:
            shutil.copy(source, target)
    (folder / "notebooks").mkdir()
    for name in PAGES:
        shutil.copy(ROOT / "notebooks" / f"{name}.py", folder / "notebooks")
    return folder

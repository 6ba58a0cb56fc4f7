"""The book as one PDF: which browser prints, and what is said where none does."""

import sys
from pathlib import Path

import pytest

from sepconv.report import build, pdf
from sepconv.report.build import ReportError

PRINTER = f"""#!{sys.executable}
import sys
from pathlib import Path
(target,) = (option.partition("=")[2] for option in sys.argv if option.startswith("--print-to-pdf="))
Path(target).write_text("printed " + sys.argv[-1])
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose book takes no time to build."""

    def make(root: Path, *options: str) -> None:
        if "singlehtml" not in options:
            assert build.printed_book(root).is_file()  # or the pages would not offer it
            return
        page = root / "book" / "_build" / "singlehtml" / "papers" / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text("the whole book")

    (tmp_path / "book" / "_static").mkdir(parents=True)
    monkeypatch.setattr(pdf, "jupyter_book", make)
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))
    monkeypatch.delenv("SEPCONV_CHROMIUM", raising=False)
    monkeypatch.setattr(pdf, "_ON_MACOS", tmp_path / "Google Chrome")
    return tmp_path


def program(root: Path, name: str, text: str) -> Path:
    path = root / "programs" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_the_browser_prints_the_whole_book_beside_the_pages(root):
    program(root, "google-chrome", PRINTER)
    written = pdf.write(root)
    assert written == build.printed_book(root)
    assert written.read_text() == f"printed {(root / 'book' / '_build' / 'singlehtml' / 'whole.html').as_uri()}"


def test_a_setting_names_the_browser(root, monkeypatch):
    program(root, "google-chrome", PRINTER)
    mine = program(root, "mine", PRINTER)
    monkeypatch.setenv("SEPCONV_CHROMIUM", str(mine))
    assert pdf.chromium() == str(mine)
    monkeypatch.setenv("SEPCONV_CHROMIUM", str(mine) + "-not")
    with pytest.raises(ReportError, match="mine-not: expected a program that can be started"):
        pdf.chromium()


def test_without_a_browser_one_line_says_what_to_do(root):
    with pytest.raises(ReportError, match=r"none was found \(chromium, .*SEPCONV_CHROMIUM=/path/to/chrome make pdf"):
        pdf.write(root)
    assert not (root / "book" / "_build").exists()


def test_a_browser_that_prints_nothing_is_named_with_its_last_line(root):
    program(root, "chromium", "#!/bin/sh\necho first\necho no display\nexit 5\n")
    with pytest.raises(ReportError, match=r"wrote no PDF \(exit code 5\): no display"):
        pdf.write(root)
    assert not build.printed_book(root).exists()


def test_an_earlier_pdf_does_not_survive_a_new_book(root, monkeypatch):
    build.printed_book(root).write_text("old")
    monkeypatch.setattr(build, "jupyter_book", lambda root: None)
    build.build(root)
    assert not build.printed_book(root).exists()

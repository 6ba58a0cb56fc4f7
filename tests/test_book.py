"""What the book's own Sphinx extensions make of a small book, and the policy that they put into its pages."""

import sys
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from sepconv.report import markup

ROOT = Path(__file__).parent.parent
EXTENSIONS = ("code_cells", "nonbreaking", "numbered_tables", "policy", "provenance")
EVIL = "<script>steal()</script>"
CONFIG = """\
project = "A small book"
author = "Somebody"
html_title = project
extensions = ["myst_nb", {extensions}]
html_theme = "sphinx_book_theme"
nb_execution_mode = "off"
numfig = True
"""
CITATION = "title: A small book\nversion: 1.2.3\n"


def table(name=""):
    columns = [markup.Column[str]("letter", lambda letter: letter)]
    return markup.table("ab", columns, f"All letters {name}", name=name).text


def cell(source, html, *tags):
    output = new_output("display_data", data={"text/html": html})
    return new_code_cell(source, outputs=[output], metadata={"tags": list(tags)})


def build(folder):
    """The pages of a book with one notebook, and the warnings of its build."""
    from sphinx.application import Sphinx

    book = folder / "book"
    book.mkdir(parents=True)
    (folder / "CITATION.cff").write_text(CITATION)
    (book / "conf.py").write_text(CONFIG.format(extensions=str(list(EXTENSIONS))[1:-1]))
    cells = [
        new_markdown_cell("# A & B\n\nWhat *it* <says> & does.\n\n{numref}`second` is referred to, by 5 % or `5 %`."),
        cell("plumbing = 1", table() + table("second"), "remove-input"),
        cell("taught = 2", EVIL),
    ]
    nbformat.write(new_notebook(cells=cells), book / "index.ipynb")
    with (folder / "warnings").open("w") as warnings, (folder / "status").open("w") as status:
        Sphinx(
            book, book, folder / "html", folder / "trees", "html", status=status, warning=warnings, freshenv=True
        ).build()
    pages = {path.stem: BeautifulSoup(path.read_text(), "html.parser") for path in (folder / "html").glob("*.html")}
    return pages, (folder / "warnings").read_text()


@pytest.fixture(scope="module", autouse=True)
def extensions():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "book" / "_ext")
        yield
    for name in EXTENSIONS:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def built(tmp_path_factory, extensions):
    return build(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def page(built):
    return built[0]["index"]


def test_tables_of_cells_are_numbered_and_can_be_referred_to(page):
    captions = [caption.get_text() for caption in page.find_all("caption")]
    assert captions == ["Table 1 All letters ", "Table 2 All letters second"]
    reference = page.find("a", string="Table 2") or page.select_one("a:has(.std-numref)")
    assert reference.text == "Table 2"
    assert page.select_one(reference["href"]).name == "table"


def test_a_percent_sign_stays_with_its_number_outside_of_code(page):
    assert "by 5\u00a0% or 5 %." in page.select_one("section").get_text()


def test_code_that_is_removed_elsewhere_is_folded_here(page):
    assert "plumbing" in page.select_one("details.hide.above-input").text
    assert "taught" in page.select_one(".cell > .cell_input").text


def test_page_says_when_it_was_executed_and_how_to_cite(page):
    assert page.find("meta", attrs={"name": "description"})["content"] == "What it <says> & does."
    footer = " ".join(page.select_one(".extra_footer").text.split())
    assert footer.startswith("This page was last executed on 20")
    assert "Somebody (20" in footer
    assert "A small book, version 1.2.3, commit" in footer


def policy_of(page):
    content = page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    return dict(directive.split(" ", 1) for directive in content.split("; "))


def test_every_page_lets_in_its_own_scripts_by_their_hashes_and_no_other(built):
    import policy

    pages, warnings = built
    assert {"index", "search", "genindex"} <= pages.keys()
    for name, page in pages.items():
        directives = policy_of(page)
        assert directives["default-src"] == "'self'"
        assert "unsafe-inline" not in directives["script-src"]
        inline = [script.string for script in page.find_all("script", src=False)]
        assert inline
        foreign = [text for text in inline if policy.hash_of(text) not in directives["script-src"]]
        assert foreign == ["steal()"] * (name == "index")
        handlers = {tag["onclick"] for tag in page.find_all(onclick=True)}
        assert all(policy.hash_of(handler) in directives["script-src"] for handler in handlers)
    assert "index: 1 inline scripts are not the theme's" in warnings


def test_faults_of_others_pages_are_repaired(page):
    import policy

    text = str(page)
    assert not [fault for fault in policy.REPAIRS if fault in text]
    repaired = policy.finished("<head>" + "".join(policy.REPAIRS), [])
    assert all(repair in repaired for repair in policy.REPAIRS.values())

"""What notebooks and pages must pass: no error, nothing stale, no request to another host, no typed number."""

import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sepconv.papers import all_papers
from sepconv.report import prose
from sepconv.report.build import ReportError, executed_folder, fingerprint, html, read_source, sources

# Attributes that a browser fetches as it loads a page; a link's depends on its rel.
_FETCHED = {
    "audio": "src", "embed": "src", "iframe": "src", "img": "src", "object": "data", "script": "src",
    "source": "src", "video": "src", "link": "href",
}  # fmt: skip
_FETCHING_RELS = {"stylesheet", "icon", "manifest", "preload", "modulepreload", "prefetch", "preconnect"}
_CODE = re.compile("`[^`]*`")
_TAG = re.compile("<[a-zA-Z/!?]+")
_FOREIGN_CSS = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])((?:https?:)?//[^"')\s]+)""")


def check(root: Path) -> None:
    """Hold the executed notebooks and the built pages against the gates.

    Raises:
        ReportError: one line for each fault.
    """
    if faults := [*notebook_faults(root), *page_faults(html(root)), *prose_faults(root)]:
        raise ReportError("\n".join(faults))


def notebook_faults(root: Path) -> Iterator[str]:
    """One line for each exception, error output, warning, and missing, stale or orphaned notebook."""
    executed = {path.stem: path for path in sorted(executed_folder(root).glob("*.ipynb"))}
    written = {path.stem: path for path in sources(root)}
    for name in written.keys() - executed.keys():
        yield f"{written[name].relative_to(root)}: not executed; run make report"
    for name, path in executed.items():
        place = path.relative_to(root)
        try:
            notebook = json.loads(path.read_bytes())
        except ValueError:
            yield f"{place}: expected a notebook, got something that is no JSON; run make report"
            continue
        faults = chain(_failures(notebook), _staleness(root, written.get(name), notebook))
        yield from (f"{place}: {fault}" for fault in faults)


def _failures(notebook: dict[str, Any]) -> Iterator[str]:
    if notebook["metadata"].get("papermill", {}).get("exception"):
        yield "papermill stopped at an exception"
    for number, cell in enumerate(notebook["cells"]):
        if "papermill-error-cell-tag" in cell["metadata"].get("tags", ()):
            yield f"cell {number} is papermill's mark of an exception"
        for output in cell.get("outputs", ()):
            if output["output_type"] == "error":
                yield f"cell {number} ends in {output['ename']}: {output['evalue']}"
            markdown = _CODE.sub("", "".join(output.get("data", {}).get("text/markdown", "")))
            if tag := _TAG.search(markdown):  # Html escapes what is put into it, Markdown nothing
                yield f"cell {number} shows HTML in Markdown, {tag[0]}…; show it as Html"
            if output.get("name") == "stderr":
                yield f"cell {number} warns: {''.join(output['text']).strip().splitlines()[0]}"


def _staleness(root: Path, source: Path | None, notebook: dict[str, Any]) -> Iterator[str]:
    if source is None:
        yield "no source in notebooks/; delete it"
        return
    parameters = notebook["metadata"].get("papermill", {}).get("parameters", {})
    if notebook["metadata"].get("sepconv", {}).get("sources") != fingerprint(root, source, parameters):
        yield "stale: code, results or source changed since it was executed; run make report"


def page_faults(folder: Path) -> Iterator[str]:
    """One line if the first page is missing, and one for each request that a page or style makes to another host."""
    if not (folder / "index.html").is_file():
        yield f"{folder / 'index.html'}: expected the book's first page, found none; run make report"
    for page in sorted(folder.rglob("*.html")):
        yield from (f"{page.relative_to(folder)}: loads {url}" for url in _foreign(page.read_text()))
    for style in sorted(folder.rglob("*.css")):
        yield from (f"{style.relative_to(folder)}: loads {url}" for url in _FOREIGN_CSS.findall(style.read_text()))


def prose_faults(root: Path) -> Iterator[str]:
    """One line for each number in prose that neither the page's paper nor a rule of the verdicts states."""
    papers = {paper.key: paper for paper in all_papers()}
    pages = {page: [page.read_text()] for page in sorted((root / "book").glob("*.md"))}
    pages |= {source: list(prose.texts(read_source(source))) for source in sources(root)}
    for page, texts in pages.items():
        known = prose.known_numbers([papers[page.stem]] if page.stem in papers else [])
        for number in chain.from_iterable(prose.typed_numbers(text, known) for text in texts):
            yield f"{page.relative_to(root)}: {number} is typed into prose; fill it in from results or specs"


def _foreign(page: str) -> Iterator[str]:
    """Addresses on other hosts that a browser fetches on loading the page."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(page, "html.parser")
    for tag in soup.find_all(list(_FETCHED)):
        if tag.name == "link" and not _FETCHING_RELS & set(tag.get_attribute_list("rel")):
            continue
        candidates = [str(tag.get(_FETCHED[tag.name], "")), *str(tag.get("srcset", "")).replace(",", " ").split()]
        yield from (url for url in candidates if urlsplit(url).netloc)
    styles = [*(tag.text for tag in soup.find_all("style")), *(str(tag["style"]) for tag in soup.find_all(style=True))]
    yield from chain.from_iterable(_FOREIGN_CSS.findall(style) for style in styles)

"""What every page says of itself: a description, when it was executed, from which commit, and how to cite the book."""

import subprocess
from datetime import UTC, datetime
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from docutils import nodes
from sphinx.application import Sphinx

from sepconv.environment import git_commit
from sepconv.report.build import printed_book

DESCRIPTION = 200  # letters that search engines show, about


def describe(app: Sphinx, page: str, _: str, context: dict[str, Any], tree: nodes.document | None) -> None:
    """Add a description and a footer to the page that is about to be written."""
    if tree is None:  # an index or the search, which nobody wrote
        return
    paragraph = next((p for p in tree.findall(nodes.paragraph) if not isinstance(p.parent, nodes.Admonition)), None)
    text = " ".join(paragraph.astext().split()) if paragraph else app.config.html_title
    short = text if len(text) <= DESCRIPTION else f"{text[:DESCRIPTION].rpartition(' ')[0]} …"
    context["metatags"] += f'<meta name="description" content="{escape(short)}"/>\n'
    footer = _footer(Path(app.env.doc2path(page)), app.config.author, app.config.html_title)
    if (pdf := printed_book(Path(app.srcdir).parent)).is_file():
        footer += f'<p><a href="{context["pathto"](f"_static/{pdf.name}", 1)}">The whole book as PDF</a></p>'
    context["theme_extra_footer"] = footer


def _footer(page: Path, author: str, title: str) -> str:
    done = "executed" if page.suffix == ".ipynb" else "changed"
    commit, _, changed = _commit().partition("-")
    citation = f"{author} ({_date(page)[:4]}). {title}{_version(page)}, commit {commit[:7]}."
    return (
        f"<p>This page was last {done} on {_date(page)}. The book was built at commit "
        f"{escape(commit[:7])}{' with changes' * bool(changed)}.</p><p>Cite this book: {escape(citation)}</p>"
    )


def _version(page: Path) -> str:
    """The version that ``CITATION.cff`` states, in the first folder above the page that has one."""
    found = (folder / "CITATION.cff" for folder in page.parents)
    path = next((path for path in found if path.is_file()), None)
    return f", version {yaml.safe_load(path.read_text())['version']}" if path else ""


@cache
def _commit() -> str:
    return git_commit()


@cache
def _date(page: Path) -> str:
    """The day on which the page was committed; of one that is not, or was changed since, the day of the file."""
    changed = _git(page, "status", "--porcelain")
    committed = _git(page, "log", "-1", "--format=%cs")
    if committed and not changed:
        return committed
    return datetime.fromtimestamp(page.stat().st_mtime, UTC).date().isoformat()


def _git(page: Path, *arguments: str) -> str:
    """What git says of the page; nothing where there is no repository, or no git."""
    command = ["git", *arguments, "--", page.name]
    try:
        return subprocess.run(command, cwd=page.parent, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def setup(app: Sphinx) -> dict[str, bool]:
    """Register for every page that is written."""
    app.connect("html-page-context", describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

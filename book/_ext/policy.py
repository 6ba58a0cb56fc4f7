"""The last touch on built pages: a Content-Security-Policy, and repairs for screen readers.

The policy lets a page load and run only what lies beside it. The theme's own inline scripts are let in by their hashes,
taken from pages without content, so that a script which finds its way into the content of a page is not run.
"""

import re
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)
PAGE_NAME = "DOCUMENTATION_OPTIONS.pagename = '{}';"
WITHOUT_CONTENT = ("genindex", "search")  # all that is in them is the theme's
HANDLERS = ("window.print()", "toggleFullScreen()")  # of the theme's buttons
POLICY = 'http-equiv="Content-Security-Policy"'
REPAIRS = {
    # MyST-NB's fold of code: the name contradicts the visible text.
    '<summary aria-label="Toggle hidden content">': "<summary>",
    # The theme's buttons: the same. The text of the search names its keys, icons of the colour mode have titles.
    'search-button-field search-button__button pst-js-only" title="Search" aria-label="Search"': (
        'search-button-field search-button__button pst-js-only" title="Search"'
    ),
    'data-mode="light" title="Light"': 'data-mode="light"',
    'data-mode="dark"  title="Dark"': 'data-mode="dark"',
    'data-mode="auto"  title="System Settings"': 'data-mode="auto"',
    # docutils's bibliography: entries of a list have to be its items.
    'role="doc-biblioentry"': 'role="listitem"',
}


def finish(app: Sphinx, failure: Exception | None) -> None:
    """Repair every page and put the policy into it."""
    if failure or app.builder.name != "html":  # a single page is only printed
        return
    folder = Path(app.outdir)
    pages = {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.html"))}
    texts = {name: path.read_text(encoding="utf-8") for name, path in pages.items()}
    trusted = {
        script
        for name in WITHOUT_CONTENT
        for script in INLINE_SCRIPT.findall(texts.get(name, ""))
        if script != PAGE_NAME.format(name)
    }
    for name, text in texts.items():
        allowed = {*trusted, PAGE_NAME.format(name)}
        if unknown := set(INLINE_SCRIPT.findall(text)) - allowed:
            LOGGER.warning("%s: %d inline scripts are not the theme's and will not run", name, len(unknown))
        if POLICY not in text:
            pages[name].write_text(finished(text, allowed), encoding="utf-8")


def finished(page: str, scripts: Iterable[str]) -> str:
    """The page with the policy that allows these inline scripts, and with its repairs."""
    for fault, repair in REPAIRS.items():
        page = page.replace(fault, repair)
    return page.replace("<head>", f'<head>\n    <meta {POLICY} content="{policy(scripts)}"/>', 1)


def policy(scripts: Iterable[str]) -> str:
    """What a page may load and run."""
    hashes = " ".join(hash_of(script) for script in sorted({*scripts, *HANDLERS}))
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' 'unsafe-hashes' {hashes}",
            "style-src 'self' 'unsafe-inline'",  # figures and formulas carry their own styles
            "img-src 'self' data:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        )
    )


def hash_of(script: str) -> str:
    """A script as the policy names it."""
    return f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register for the end of a build."""
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""In the one page from which the PDF is printed, links lead into that page or to the published book.

The HTML of cells links to other pages and to files beside them, which are not there in print. Where the book's address
is not known, what would lead to a file is plain text.
"""

import re
from typing import Any

from sphinx.application import Sphinx

_TO_PAGE = re.compile(r'href="(?:[\w-]+/)*[\w-]+\.html#(?P<anchor>[^"]+)"')
_TO_FILE = re.compile(r'<a\b[^>]*href="(?:\.\./)*(?P<file>(?:_downloads|claims)/[^"]+)"[^>]*>(?P<text>.*?)</a>', re.DOTALL)


def lead_out(html: str, address: str) -> str:
    """The HTML with its links to anchors of other pages, and to files, as a print of all pages needs them.

    Args:
        html: of all pages together.
        address: of the published book, with a slash at its end; empty where it is not known.
    """
    link = rf'<a href="{address}\g<file>">\g<text></a>' if address else r"\g<text>"
    return _TO_FILE.sub(link, _TO_PAGE.sub(r'href="#\g<anchor>"', html))


def change(app: Sphinx, _page: str, _template: str, context: dict[str, Any], _tree: object) -> None:
    """Change the page that is about to be written, where it is the only one."""
    if app.builder.name == "singlehtml":
        context["body"] = lead_out(context["body"], app.config.book_address)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register for every page that is written."""
    app.connect("html-page-context", change)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

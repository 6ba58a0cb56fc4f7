"""Numbers for the tables that code cells show, so that pages can refer to them as to any other table.

Such a table is HTML (sepconv/report/markup.py) in which Sphinx sees no table. A node without text is put where its
caption begins, and stands for it: Sphinx numbers the node, and writes the number there.
"""

import re
from html import unescape
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

CAPTION = "<caption><span>"
NAME = re.compile(r'<table class="sc-table[^"]*" id="([^"]+)">\s*$')


class TableNumber(nodes.General, nodes.Element):
    """Where the number of a table is written; ``title`` is the table's caption."""


class NumberTables(SphinxTransform):
    """Put a number into every caption of the tables that cells show."""

    default_priority = 500  # before Sphinx collects what can be referred to

    def apply(self, **_: Any) -> None:  # noqa: ANN401 - as Sphinx calls it
        """Split each cell's HTML at its captions."""
        for raw in list(self.document.findall(nodes.raw)):
            first, *others = raw.astext().split(CAPTION)
            if raw["format"] != "html" or not others:
                continue
            parts = nodes.container(classes=raw["classes"])
            parts += nodes.raw("", first + CAPTION, format="html")
            before = first
            for number, text in enumerate(others):
                parts += self._number(before, text)
                more = CAPTION if number + 1 < len(others) else ""
                parts += nodes.raw("", text + more, format="html")
                before = text
            raw.replace_self(parts)

    def _number(self, before: str, after: str) -> TableNumber:
        node = TableNumber(title=unescape(after.partition("</span>")[0]))
        if name := NAME.search(before):
            node["names"].append(name[1])
            self.document.note_explicit_target(node, node)
        else:
            self.document.set_id(node)
        return node


def write_number(writer: Any, node: TableNumber) -> None:  # noqa: ANN401 - any HTML writer
    """Write ``Table 3``; the name of the table is in its HTML already."""
    writer.add_fignumber(node)
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the node as a table, and the transform."""
    app.add_enumerable_node(TableNumber, "table", lambda node: node["title"], html=(write_number, None))
    app.add_transform(NumberTables)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""A number and its percent sign stay on one line."""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

_PERCENT = re.compile(r"(?<=\d) (?=%)")


class JoinPercents(SphinxTransform):
    """Put a space that does not break before every percent sign of the prose, as it is written or computed."""

    default_priority = 500  # after cells' outputs became text

    def apply(self, **_: Any) -> None:  # noqa: ANN401 - as Sphinx calls it
        """Replace the texts that have one."""
        for text in list(self.document.findall(nodes.Text)):
            if _PERCENT.search(text) and not isinstance(text.parent, nodes.literal | nodes.literal_block | nodes.raw):
                text.parent.replace(text, nodes.Text(_PERCENT.sub("\u00a0", text)))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the transform."""
    app.add_transform(JoinPercents)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

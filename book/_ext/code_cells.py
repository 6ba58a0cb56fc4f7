"""Code that is tagged ``remove-input`` stays in the page, out of sight, for the switch that shows all code.

Elsewhere such a cell shows no code, and no bar in its place. Here a style hides the bar until the switch is on.
"""

from sphinx.application import Sphinx


def keep_input(app: Sphinx, page: str, source: list[str]) -> None:
    """Have MyST-NB fold the code that it would remove."""
    if app.env.doc2path(page).endswith(".ipynb"):
        source[0] = source[0].replace('"remove-input"', '"hide-input"')


def setup(app: Sphinx) -> dict[str, bool]:
    """Register for every page that is read."""
    app.connect("source-read", keep_input)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

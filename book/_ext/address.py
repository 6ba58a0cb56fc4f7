"""Buttons that need the repository's address are there where ``_config.yml`` knows it, and hidden elsewhere."""

from typing import Any

from sphinx.application import Sphinx

PLACEHOLDER = "https://github.com/OWNER/"  # the pages workflow replaces it by the repository that it runs in
NOTEBOOK = "binder/try-it.ipynb"


def buttons(app: Sphinx, config: Any) -> None:  # noqa: ANN401 - Sphinx sets its values by name
    """Hide the buttons, or tag the book ``published`` and define the link to the notebook in Colab."""
    options = config.html_theme_options
    address = options["repository_url"]
    published = not address.startswith(PLACEHOLDER)
    colab = f"{address.replace('https://github.com', 'https://colab.research.google.com/github')}/blob/main/{NOTEBOOK}"
    config.myst_substitutions["try_in_colab"] = f"[Open it in Colab]({colab})"
    if published:
        app.tags.add("published")
    else:
        shown = ("use_repository_button", "use_issues_button", "use_edit_page_button")
        options |= dict.fromkeys(shown, False) | {"launch_buttons": {}}


def setup(app: Sphinx) -> dict[str, bool]:
    """Run before the theme reads its options."""
    app.connect("config-inited", buttons, priority=1)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

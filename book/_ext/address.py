"""Buttons that need the repository's address are there where ``_config.yml`` knows it, and hidden elsewhere.

The repository's address also says where its pages workflow publishes the book.
"""

from typing import Any
from urllib.parse import urlsplit

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
    config.book_address = pages_of(address) if published else ""
    if published:
        app.tags.add("published")
    else:
        shown = ("use_repository_button", "use_issues_button", "use_edit_page_button")
        options |= dict.fromkeys(shown, False) | {"launch_buttons": {}}


def pages_of(repository: str) -> str:
    """Where GitHub publishes the pages of a repository, with a slash at its end."""
    owner, name = urlsplit(repository).path.strip("/").split("/")
    host = f"{owner.lower()}.github.io"
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"


def setup(app: Sphinx) -> dict[str, bool]:
    """Run before the theme reads its options."""
    app.add_config_value("book_address", "", "html")  # of the published book; empty where it is not known
    app.connect("config-inited", buttons, priority=1)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

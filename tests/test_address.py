"""Buttons that need the repository's address are there where it is known, and hidden elsewhere."""

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def address() -> ModuleType:
    spec = importlib.util.spec_from_file_location("address", ROOT / "book" / "_ext" / "address.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def configured(address: ModuleType, url: str) -> tuple[set[str], dict]:
    """The tags of the book and its theme's options."""
    tags: set[str] = set()
    options = {"repository_url": url, "use_repository_button": True, "launch_buttons": {"binderhub_url": "x"}}
    config = SimpleNamespace(html_theme_options=options, myst_substitutions={})
    address.buttons(SimpleNamespace(tags=tags), config)
    return tags, options | config.myst_substitutions


def test_a_known_address_has_its_buttons_and_a_link_to_colab(address):
    tags, shown = configured(address, "https://github.com/a/b")
    assert tags == {"published"}
    assert shown["use_repository_button"]
    assert shown["launch_buttons"]
    link = "https://colab.research.google.com/github/a/b/blob/main/binder/try-it.ipynb"
    assert shown["try_in_colab"] == f"[Open it in Colab]({link})"
    assert (ROOT / address.NOTEBOOK).is_file()


def test_without_an_address_no_button_is_shown(address):
    url = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
    tags, shown = configured(address, url)
    assert tags == set()
    assert not shown["use_repository_button"]
    assert not shown["use_issues_button"]
    assert shown["launch_buttons"] == {}

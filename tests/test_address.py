"""Buttons that need the repository's address are there where it is known, and hidden elsewhere."""

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
ALL_PAGES = (
    '<a class="download internal" download="" href="../_downloads/1f/a.csv"><span>CSV</span></a>, '
    '<a href="../claims/p.x.json">this card as JSON</a>, <a href="runs.html#p/a/paper-seed-0">a run</a>, '
    '<a class="internal" href="papers/index.html#term-seed">seed</a>, '
    '<a href="#here">here</a>, <a href="https://arxiv.org/abs/1.html#a">elsewhere</a>'
)


def extension(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "book" / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def address() -> ModuleType:
    return extension("address")


def configured(address: ModuleType, url: str) -> tuple[set[str], dict]:
    """The tags of the book and its theme's options."""
    tags: set[str] = set()
    options = {"repository_url": url, "use_repository_button": True, "launch_buttons": {"binderhub_url": "x"}}
    config = SimpleNamespace(html_theme_options=options, myst_substitutions={})
    address.buttons(SimpleNamespace(tags=tags), config)
    return tags, options | config.myst_substitutions | {"book_address": config.book_address}


def test_a_known_address_has_its_buttons_and_a_link_to_colab(address):
    tags, shown = configured(address, "https://github.com/a/b")
    assert tags == {"published"}
    assert shown["use_repository_button"]
    assert shown["launch_buttons"]
    link = "https://colab.research.google.com/github/a/b/blob/main/binder/try-it.ipynb"
    assert shown["try_in_colab"] == f"[Open it in Colab]({link})"
    assert (ROOT / address.NOTEBOOK).is_file()
    assert shown["book_address"] == "https://a.github.io/b/"


def test_without_an_address_no_button_is_shown(address):
    url = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"]
    tags, shown = configured(address, url)
    assert tags == set()
    assert not shown["use_repository_button"]
    assert not shown["use_issues_button"]
    assert shown["launch_buttons"] == {}
    assert shown["book_address"] == ""


def test_the_pages_of_a_person_have_the_address_of_the_host(address):
    assert address.pages_of("https://github.com/Somebody/somebody.github.io") == "https://somebody.github.io/"


@pytest.mark.parametrize(
    ("known", "files"),
    [
        (
            "https://a.github.io/b/",
            '<a href="https://a.github.io/b/_downloads/1f/a.csv"><span>CSV</span></a>, '
            '<a href="https://a.github.io/b/claims/p.x.json">this card as JSON</a>',
        ),
        ("", "<span>CSV</span>, this card as JSON"),
    ],
)
def test_in_print_links_lead_into_the_book_or_to_the_published_one_and_never_to_a_file_here(known, files):
    assert extension("printed").lead_out(ALL_PAGES, known) == (
        f'{files}, <a href="#p/a/paper-seed-0">a run</a>, <a class="internal" href="#term-seed">seed</a>, '
        '<a href="#here">here</a>, <a href="https://arxiv.org/abs/1.html#a">elsewhere</a>'
    )

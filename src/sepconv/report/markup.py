"""HTML of tables and claim cards: two templates, and the escaping of all that goes into them.

Text is escaped unless it is :class:`markupsafe.Markup` or :class:`Html`, which only the functions below make. Nothing
in the HTML differs from one rendering to the next, and all colours are the theme's, so that pages compare and dark mode
works.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Generic, Literal, TypeVar

import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from sepconv.verdicts.rules import Judgement, Verdict

T = TypeVar("T")
NOTHING = "–"  # a cell where there is nothing to say
RUNS_PAGE = "runs.html"  # all executed pages lie in one folder

_TONES = {
    Verdict.REPRODUCED: ("good", "✓"),
    Verdict.CONSISTENT: ("good", "✓"),
    Verdict.SUPPORTED: ("good", "✓"),
    Verdict.NOT_REPRODUCED: ("bad", "✗"),
    Verdict.INCONSISTENT: ("bad", "✗"),
    Verdict.NOT_SUPPORTED: ("bad", "✗"),
    Verdict.INCONCLUSIVE: ("open", "?"),
    Verdict.NOT_TESTED: ("none", "–"),
}

Layout = Literal["scroll", "one-line", "stack"]

_TEMPLATES = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
_TABLE = _TEMPLATES.from_string("""\
<div class="sc-scroll">
<table class="sc-table sc-{{ layout }}{% if sortable %} sc-sortable{% endif %}"{% if name %} id="{{ name }}"{% endif %}>
<caption><span>{{ caption }}</span></caption>
{% if groups %}
<thead><tr>
{% for column in columns %}
<th scope="col"{% if column.numeric %} class="sc-number"{% endif %}>{{ column.header }}</th>
{% endfor %}
</tr></thead>
{% endif %}
{% for title, rows in groups.items() %}
<tbody>
{% if title %}
<tr class="sc-group"><th scope="rowgroup" colspan="{{ columns | length }}"><span>{{ title }}</span></th></tr>
{% endif %}
{% for row in rows %}
<tr{% if row.anchor %} id="{{ row.anchor }}"{% endif %}{% if row.mark %} class="sc-{{ row.mark }}"{% endif %}>
{% for cell in row.cells %}
{% set column = columns[loop.index0] %}
{% set number = ' class="sc-number"' | safe if column.numeric else "" %}
{% if loop.first %}
<th scope="row"{{ number }}>{{ cell }}</th>
{% else %}
<td{{ number }}{% if layout == "stack" %} data-label="{{ column.header }}"{% endif %}>{{ cell }}</td>
{% endif %}
{% endfor %}
</tr>
{% endfor %}
</tbody>
{% endfor %}
</table>
</div>
""")
_CARD = _TEMPLATES.from_string("""\
<details class="sc-claim" id="{{ claim.id }}">
<summary>
<h3>{{ name }}</h3>
{{ verdicts }}
<span class="sc-note">{{ evidence }}</span>
{% set stated = "expected" if claim.expected else "claimed" %}
<span class="sc-found">{{ found }}<span class="sc-note">; {{ stated }}: {{ claim.reported }}</span></span>
</summary>
<blockquote><p>“{{ claim.quote }}”</p><footer>{{ claim.where }}</footer></blockquote>
<dl>
{% for term, description in entries %}
<dt>{{ term }}</dt><dd>{{ description }}</dd>
{% endfor %}
</dl>
<p><a href="#{{ claim.id }}">Link to this claim, {{ claim.id }}</a></p>
</details>
""")


@dataclass(frozen=True)
class Html:
    """HTML that a notebook shows as such; as text only its length, or each page would hold it twice."""

    text: str

    def _repr_html_(self) -> str:
        return self.text

    def __html__(self) -> Markup:
        """What :mod:`markupsafe` asks for before it escapes."""
        return Markup(self.text)

    def __repr__(self) -> str:
        return f"Html({len(self.text)} characters)"


@dataclass(frozen=True)
class Column(Generic[T]):
    """A column of a table: its heading, what its cell says of a record, and whether it is right-aligned."""

    header: str
    cell: Callable[[T], str]
    numeric: bool = False


def table(
    records: Iterable[T],
    columns: Sequence[Column[T]],
    caption: str,
    *,
    empty: str = "",
    group: Callable[[T], str] = lambda _: "",
    anchor: Callable[[T], str] = lambda _: "",
    mark: Callable[[T], str] = lambda _: "",
    layout: Layout = "scroll",
    name: str = "",
    sortable: bool = False,
) -> Html:
    """A table with one row per record, in a box that scrolls by itself. The book numbers it.

    Args:
        records: in the order of their rows.
        columns: from left to right; the first one's cell is the heading of its row.
        caption: what the table shows.
        empty: the caption where there are no records; the table is then nothing else.
        group: the title under which a record stands; no title where it is empty.
        anchor: makes the record's row the target of links.
        mark: a CSS class of the record's row, such as ``differs`` or ``total``.
        layout: ``one-line`` breaks no cell, for tables that are looked up rather than read; ``stack`` puts a row's
            cells below each other on a narrow page, for tables of sentences.
        name: by which a page refers to the table's number: ``{numref}`name```. Unique in the book.
        sortable: whether a reader may sort the rows by a column, within each group.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        row = {"cells": [column.cell(record) for column in columns], "anchor": anchor(record), "mark": mark(record)}
        groups.setdefault(group(record), []).append(row)
    shown = caption if groups else empty or caption
    return Html(
        _TABLE.render(caption=shown, columns=columns, groups=groups, layout=layout, name=name, sortable=sortable)
    )


def columns_of_cells(*headers: str) -> list[Column[Sequence[str]]]:
    """Columns for records that are their own cells."""
    return [Column(header, itemgetter(place)) for place, header in enumerate(headers)]


def records_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame by column name, as a column's ``"{name:.1f}".format_map`` takes them."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def card(judgement: Judgement, found: str, evidence: str, entries: Iterable[tuple[str, str]]) -> Markup:
    """One claim. Folded: its name, verdict, evidence, and the number found against the one claimed.

    Args:
        judgement: of the claim.
        found: the number in short.
        evidence: its grade, or that the claim needs no training.
        entries: term and description of what an open card says below the quote.
    """
    return Markup(
        _CARD.render(
            claim=judgement.claim,
            name=name_of(judgement),
            verdicts=verdicts(judgement),
            found=found,
            evidence=evidence,
            entries=list(entries),
        )
    )


def badge(verdict: Verdict) -> Markup:
    """A verdict in words, with a sign and a colour beside them."""
    tone, sign = _TONES[verdict]
    text = '<span class="sc-verdict sc-{}" data-verdict="{}"><span aria-hidden="true">{}</span> {}</span>'
    return Markup(text).format(tone, verdict, sign, verdict)


def verdicts(judgement: Judgement) -> Markup:
    """The verdict, and the one that Holm's correction gives where it is another."""
    if judgement.holm_verdict == judgement.verdict:
        return badge(judgement.verdict)
    corrected = Markup('{} <span class="sc-note">corrected (Holm):</span> {}')
    return corrected.format(badge(judgement.verdict), badge(judgement.holm_verdict))


def link(address: str, text: str) -> Markup:
    """A link."""
    return Markup('<a href="{}">{}</a>').format(address, text)


def claim_link(judgement: Judgement) -> Markup:
    """A claim's name, linked to its card on the paper's page."""
    return link(f"{judgement.paper}.html#{judgement.claim.id}", name_of(judgement))


def name_of(judgement: Judgement) -> str:
    """A claim's name within its paper."""
    return judgement.claim.id.removeprefix(f"{judgement.paper}.")


def run_link(key: str) -> Markup:
    """A result's key, linked to its row on the page of runs."""
    return link(f"{RUNS_PAGE}#{key}", key)


def claim_address(claim_id: str) -> str:
    """Where a claim's JSON lies in the built book."""
    return f"claims/{claim_id}.json"


def recipe_link(paper: str, experiment: str) -> Markup:
    """An experiment's name, linked to its recipe on the paper's page."""
    return link(f"{paper}.html#{recipe_anchor(paper, experiment)}", experiment)


def recipe_anchor(paper: str, experiment: str) -> str:
    """Where an experiment's recipe stands on a page."""
    return f"{paper}/{experiment}/recipe"


def target(anchor: str, text: str) -> Markup:
    """Text that links lead to."""
    return Markup('<span id="{}">{}</span>').format(anchor, text)


def note(text: str) -> Markup:
    """Text in grey."""
    return Markup('<span class="sc-note">{}</span>').format(text)


def lines(texts: Iterable[str]) -> Markup:
    """Texts below each other."""
    return Markup("<br>").join(texts)


def paragraph(text: str) -> Html:
    """A paragraph."""
    return Html(Markup("<p>{}</p>").format(text))


def listing(texts: Iterable[str]) -> Markup:
    """A list; empty where there is nothing to list."""
    items = Markup("").join(Markup("<li>{}</li>").format(text) for text in texts)
    return items and Markup("<ul>{}</ul>").format(items)


def folded(summary: str, content: str | Html) -> Markup:
    """Content that opens on demand."""
    return Markup("<details><summary>{}</summary>{}</details>").format(summary, content)

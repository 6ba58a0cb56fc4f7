"""HTML of tables and claim cards: two templates, and the escaping of all that goes into them.

Text is escaped unless it is :class:`markupsafe.Markup`, which only the functions below make. Nothing in the HTML
differs from one rendering to the next, and all colours are the theme's, so that pages compare and dark mode works.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from sepconv.verdicts.rules import Judgement, Verdict

RUNS_PAGE = "runs.html"  # all executed pages lie in one folder

_TONES = {
    Verdict.REPRODUCED: ("good", "✓"),
    Verdict.CONSISTENT: ("good", "✓"),
    Verdict.NOT_REPRODUCED: ("bad", "✗"),
    Verdict.INCONSISTENT: ("bad", "✗"),
    Verdict.INCONCLUSIVE: ("open", "?"),
    Verdict.NOT_TESTED: ("none", "–"),
}

Layout = Literal["scroll", "one-line", "stack"]

_TEMPLATES = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
_TABLE = _TEMPLATES.from_string("""\
<div class="sc-scroll" role="region" tabindex="0" aria-label="{{ caption }}">
<table class="sc-table sc-{{ layout }}">
<caption><span>{{ caption }}</span></caption>
{% if groups %}
<thead><tr>
{% for column in columns %}
<th scope="col"{% if column in numeric %} class="sc-number"{% endif %}>{{ column }}</th>
{% endfor %}
</tr></thead>
{% endif %}
{% for group in groups %}
<tbody>
{% if group.title %}
<tr class="sc-group"><th scope="rowgroup" colspan="{{ columns | length }}"><span>{{ group.title }}</span></th></tr>
{% endif %}
{% for row in group.rows %}
<tr{% if row.anchor %} id="{{ row.anchor }}"{% endif %}{% if row.mark %} class="sc-{{ row.mark }}"{% endif %}>
{% for cell in row.cells %}
{% set number = ' class="sc-number"' | safe if columns[loop.index0] in numeric else "" %}
{% if loop.first %}
<th scope="row"{{ number }}>{{ cell }}</th>
{% else %}
<td{{ number }}{% if layout == "stack" %} data-label="{{ columns[loop.index0] }}"{% endif %}>{{ cell }}</td>
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
<article class="sc-claim" id="{{ claim.id }}">
<header>
<h3><a href="#{{ claim.id }}">{{ claim.id }}</a></h3>
<span class="sc-kind">{{ claim.kind }}</span>
{{ verdicts }}
</header>
<blockquote><p>“{{ claim.quote }}”</p><footer>{{ claim.where }}</footer></blockquote>
<dl>
{% for term, description in entries %}
<dt>{{ term }}</dt><dd>{{ description }}</dd>
{% endfor %}
</dl>
<p class="sc-sentence">{{ sentence }}</p>
{% if hint %}
<p class="sc-hint">{{ hint }}</p>
{% endif %}
</article>
""")


@dataclass(frozen=True)
class Html:
    """HTML that a notebook shows as such; as text only its length, or each page would hold it twice."""

    text: str

    def _repr_html_(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Html({len(self.text)} characters)"


@dataclass(frozen=True)
class Row:
    """One row of a table; the first cell is its heading. ``anchor`` makes it a link's target, ``mark`` a CSS class."""

    cells: tuple[str, ...]
    anchor: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Group:
    """Rows under a heading of their own; no heading where ``title`` is empty."""

    title: str
    rows: tuple[Row, ...]


def table(
    caption: str,
    columns: Sequence[str],
    groups: Iterable[Group],
    numeric: Iterable[str] = (),
    layout: Layout = "scroll",
) -> Markup:
    """A table in a box that scrolls by itself; columns named in ``numeric`` are right-aligned.

    Layout ``one-line`` breaks no cell, for tables that are looked up rather than read; ``stack`` puts a row's cells
    below each other where the page is narrow, for tables of sentences. Without rows there is only the caption, which
    says so.
    """
    shown = [group for group in groups if group.rows]
    return Markup(_TABLE.render(caption=caption, columns=columns, groups=shown, numeric=set(numeric), layout=layout))


def card(judgement: Judgement, entries: Iterable[tuple[str, str]]) -> Markup:
    """One claim: quote, what ``entries`` say of it (term and description), sentence, hint."""
    return Markup(
        _CARD.render(
            claim=judgement.claim,
            verdicts=verdicts(judgement),
            entries=list(entries),
            sentence=judgement.sentence,
            hint=judgement.hint,
        )
    )


def badge(verdict: Verdict) -> Markup:
    """A verdict in words, with a sign and a colour beside them."""
    tone, sign = _TONES[verdict]
    return Markup('<span class="sc-verdict sc-{}"><span aria-hidden="true">{}</span> {}</span>').format(
        tone, sign, verdict
    )


def verdicts(judgement: Judgement) -> Markup:
    """The verdict, and the one that Holm's correction gives where it is another."""
    if judgement.holm_verdict == judgement.verdict:
        return badge(judgement.verdict)
    corrected = Markup('{} <span class="sc-note">with Holm’s correction:</span> {}')
    return corrected.format(badge(judgement.verdict), badge(judgement.holm_verdict))


def link(address: str, text: str) -> Markup:
    """A link."""
    return Markup('<a href="{}">{}</a>').format(address, text)


def claim_link(judgement: Judgement) -> Markup:
    """A claim's name, linked to its card on the paper's page."""
    claim = judgement.claim.id
    return link(f"{judgement.paper}.html#{claim}", claim.removeprefix(f"{judgement.paper}."))


def run_link(key: str) -> Markup:
    """A result's key, linked to its row on the page of runs."""
    return link(f"{RUNS_PAGE}#{key}", key)


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


def listing(texts: Iterable[str]) -> Markup:
    """A list; empty where there is nothing to list."""
    items = Markup("").join(Markup("<li>{}</li>").format(text) for text in texts)
    return items and Markup("<ul>{}</ul>").format(items)


def folded(summary: str, content: str) -> Markup:
    """Content that opens on demand."""
    return Markup("<details><summary>{}</summary>{}</details>").format(summary, content)

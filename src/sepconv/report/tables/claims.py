"""Claims: the scoreboard, the card of each, those on times, and those that did not come out."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter

from markupsafe import Markup, escape

from sepconv.report.markup import (
    NOTHING,
    Column,
    Html,
    badge,
    card,
    claim_address,
    claim_link,
    folded,
    lines,
    link,
    listing,
    name_of,
    note,
    recipe_link,
    run_link,
    table,
    verdicts,
)
from sepconv.report.tables.cells import describe_estimate, format_estimate, missing_results
from sepconv.results.store import Results
from sepconv.spec import Basis, Ordered, Paper
from sepconv.verdicts.attribution import Gap
from sepconv.verdicts.rules import ALPHA, Grade, Judgement, Part, Verdict
from sepconv.verdicts.sentences import evidence, indication, look, reading, several, what_would_decide

Judged = Sequence[tuple[Paper, Sequence[Judgement]]]
_BASES = {
    Basis.COUNTED: "that are counted on the networks",
    Basis.TRAINED: "that are trained or timed, with the grade of the evidence",
    Basis.INTERNAL: "in which a paper is held against itself",
}
_OFTEN = 3  # so many claims share a sentence of their readings where it is said once for all of them


def scoreboard(judged: Judged) -> Html:
    """How many claims have which verdict, then all claims by what they rest on, linked to their cards.

    A reader with a script may filter the claims by verdict.
    """
    parts = [_claims(judged, basis) for basis in Basis]
    return Html(Markup('{}<div class="sc-filtered">{}</div>').format(_counts(judged), Markup("").join(parts)))


def claim_cards(judgements: Sequence[Judgement]) -> Html:
    """A card for each claim, whose anchor is the claim's id, below the readings that several of them share."""
    shared = _shared_readings(judgements)
    cards = [card(j, _estimate_in_short(j), _evidence(j), _entries(j, shared)) for j in judgements]
    return Html(
        Markup('<div class="sc-claims">{}{}</div>').format(_readings(judgements, shared), Markup("").join(cards))
    )


def gaps_table(gaps: Sequence[Gap]) -> Html:
    """Each claim that did not come out: what is known of the reason, and the experiment that would tell more."""
    columns = [
        Column[Gap]("claim", lambda gap: lines([claim_link(gap.judgement), verdicts(gap.judgement)])),
        Column("likely cause", attrgetter("cause")),
        Column("what is known", attrgetter("known")),
        Column("what would tell more", attrgetter("experiment")),
    ]
    caption = f"{several(len(gaps), 'claim')} not reproduced or inconclusive, and why"
    return table(gaps, columns, caption, group=lambda gap: gap.judgement.paper, layout="stack", name="gaps")


def times_table(judgements: Sequence[Judgement], results: Results) -> Html:
    """Reported against measured times: the claims on seconds, with the machines that ours were measured on."""

    def measured(judgement: Judgement) -> str:
        parts = [f"{part.label}: {format_estimate(part)}" for part in judgement.parts if part.n]
        return lines(parts) or note(missing_results(judgement))

    def machines(judgement: Judgement) -> str:
        found = {results.devices[key] for key in judgement.runs if key in results.devices}
        return ", ".join(sorted(found)) or NOTHING

    columns = [
        Column("claim", claim_link),
        Column[Judgement]("the paper reports", lambda judgement: judgement.claim.reported),
        Column("measured", measured),
        Column("machine", machines),
        Column("verdict", verdicts),
    ]
    timed = [j for j in judgements if any(q.unit == "s" for q in j.claim.quantities)]
    return table(timed, columns, "Times, reported and measured", layout="stack")


def _counts(judged: Judged) -> Html:
    """A row for each verdict, and one for all together, which is the record None.

    Whether questions of our own are supported has rows only where they are among the claims.
    """
    counts = Counter((j.claim.basis, j.verdict) for _, judgements in judged for j in judgements)

    def count(bases: Collection[Basis], verdict: Verdict | None) -> str:
        return str(sum(n for (b, v), n in counts.items() if b in bases and verdict in (v, None)) or NOTHING)

    columns = [
        Column[Verdict | None]("verdict", lambda verdict: badge(verdict) if verdict else "claims"),
        *(Column[Verdict | None](basis, partial(count, [basis]), numeric=True) for basis in Basis),
        Column[Verdict | None]("all", partial(count, list(Basis)), numeric=True),
    ]
    found = {verdict for _, verdict in counts}
    rows = [v for v in Verdict if v in found or v not in (Verdict.SUPPORTED, Verdict.NOT_SUPPORTED)]
    caption = "Claims by verdict, and by what the verdict rests on"
    mark, name = (lambda verdict: "" if verdict else "total"), "claims-by-verdict"
    return table([*rows, None], columns, caption, mark=mark, name=name)


def _claims(judged: Judged, basis: Basis) -> Html:
    """The claims that rest on one basis, by paper; only those that are not counted have a grade and seeds."""
    titles = {paper.key: f"{paper.key}: {paper.authors} ({paper.year}), {paper.title}" for paper, _ in judged}
    trained = basis is Basis.TRAINED
    columns = [
        Column("claim", claim_link),
        Column("verdict", verdicts),
        *[Column("evidence", evidence)] * trained,
        Column[Judgement]("the paper reports", lambda judgement: judgement.claim.reported),
        Column("reproduced (mean ± 95 % interval)" if trained else "counted", _estimate_in_short),
        *[Column("n", _seeds_in_short, numeric=True)] * trained,
    ]
    claims = [j for _, judgements in judged for j in judgements if j.claim.basis is basis]
    return table(
        claims,
        columns,
        f"Claims {_BASES[basis]}",
        group=lambda judgement: titles[judgement.paper],
        layout="stack",
        name=f"claims-{basis.name.lower()}",
    )


def _estimate_in_short(judgement: Judgement) -> str:
    known = [part for part in judgement.parts if part.n]
    if len(known) == len(judgement.parts) == 1:
        return _order(known[0]) if isinstance(judgement.claim.check, Ordered) else format_estimate(known[0])
    counts = Counter(part.verdict for part in known)
    if known:
        return ", ".join(f"{count} of {len(judgement.parts)} {verdict}" for verdict, count in counts.items())
    return note(missing_results(judgement))


def _order(part: Part) -> str:
    """An order of counts, which three digits show."""
    if not part.exact:
        return format_estimate(part)
    return f"{' against '.join(map(_in_words, part.sides))} {part.unit}"


def _in_words(count: float) -> str:
    named = {10**9: "billion", 10**6: "million"}
    return next((f"{count / size:.3g} {name}" for size, name in named.items() if count >= size), f"{count:,.0f}")


def _seeds_in_short(judgement: Judgement) -> str:
    """Seeds of the part that has fewest; counts have none."""
    drawn = [part.n for part in judgement.parts if not part.exact]
    return str(min(drawn)) if drawn else NOTHING


def _evidence(judgement: Judgement) -> str:
    """The grade of what was trained or timed; of all else, what the verdict rests on."""
    basis = judgement.claim.basis
    if basis is not Basis.TRAINED:
        return str(basis)
    return "no evidence" if judgement.grade is Grade.NONE else evidence(judgement)


def _shared_readings(judgements: Iterable[Judgement]) -> Mapping[str, int]:
    """Sentences that are part of many claims' readings, each with its number, from 1."""
    counts = Counter(sentence for j in judgements for sentence in _sentences(j.claim.because))
    often = [sentence for sentence, count in counts.items() if count >= _OFTEN]
    return {sentence: number for number, sentence in enumerate(often, 1)}


def _readings(judgements: Sequence[Judgement], shared: Mapping[str, int]) -> Markup:
    """The shared readings, each with the claims that it is part of; folded, for the claims link to them."""
    if not shared:
        return Markup()
    items = [
        Markup('<p id="{}">Reading {}: {} {}</p>').format(
            _reading_anchor(judgements[0], number),
            number,
            sentence,
            note(f"({', '.join(name_of(j) for j in judgements if sentence in _sentences(j.claim.because))})"),
        )
        for sentence, number in shared.items()
    ]
    return folded("Readings that several claims share", Markup("").join(items))


def _because(judgement: Judgement, shared: Mapping[str, int]) -> Markup:
    """The reading of one claim, with a link in place of each sentence that it shares with others."""
    return Markup(" ").join(
        link(f"#{_reading_anchor(judgement, shared[sentence])}", f"Reading {shared[sentence]}.")
        if sentence in shared
        else escape(sentence)
        for sentence in _sentences(judgement.claim.because)
    )


def _reading_anchor(judgement: Judgement, number: int) -> str:
    return f"{judgement.paper}-reading-{number}"


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=\.) (?=[A-Z])", text) if text else []


def _entries(judgement: Judgement, shared: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    claim = judgement.claim
    yield "Criterion", claim.criterion
    if because := [part for part in (_because(judgement, shared), reading(claim)) if part]:
        yield "Because", Markup(" ").join(because)
    yield "Expected" if claim.expected else "Reported", claim.reported
    with_verdict = len(judgement.parts) > 1
    estimates = [describe_estimate(part, with_verdict=with_verdict) for part in judgement.parts]
    yield "Found" if claim.expected else "Reproduced", _listed(estimates) or judgement.sentence  # why not
    yield from _certainty(judgement)
    yield from _sources(judgement)


def _certainty(judgement: Judgement) -> Iterator[tuple[str, str]]:
    """How far the verdict can be trusted."""
    if judgement.claim.basis is Basis.TRAINED:
        yield "Evidence", evidence(judgement)
    if judgement.look:
        stricter = "; the interval shown stays that of 95 %" if judgement.level < ALPHA else ""
        yield "Judged at", f"{look(judgement)}{stricter}"
    if judgement.p_value is not None and judgement.claim.corrected:
        yield "With Holm’s correction", badge(judgement.holm_verdict)
    if judgement.verdict is Verdict.INCONCLUSIVE:
        yield "To decide", what_would_decide(judgement)
    if indicated := indication(judgement):
        yield "Indicated", indicated


def _sources(judgement: Judgement) -> Iterator[tuple[str, str]]:
    """The results behind the verdict, and those that are missing or do not count."""
    if judgement.runs:
        yield "Runs", _folded(f"{len(judgement.runs)} used", [run_link(key) for key in judgement.runs])
    asked = judgement.claim.quantities
    recipes = dict.fromkeys(q.of for q in asked if q.definition.source == "run" or q.unit == "bytes")
    if recipes:
        yield "Recipe", Markup(", ").join(recipe_link(judgement.paper, of) for of in recipes)
    if judgement.missing:
        yield "Missing", _folded(f"{len(judgement.missing)} still needed", judgement.missing)
    if judgement.set_aside:
        yield "Not counted", _folded(f"{len(judgement.set_aside)} set aside", judgement.set_aside)
    yield "Data", link(f"../{claim_address(judgement.claim.id)}", "this card as JSON")


def _listed(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else listing(texts)


def _folded(summary: str, texts: Sequence[str], most: int = 2) -> str:
    """A list that is folded where it is long."""
    return _listed(texts) if len(texts) <= most else folded(summary, listing(texts))

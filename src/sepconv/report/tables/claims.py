"""Claims: the scoreboard, the card of each, those on times, and those that did not come out."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from operator import attrgetter

from markupsafe import Markup

from sepconv.report.markup import (
    NOTHING,
    Column,
    Html,
    badge,
    card,
    claim_link,
    folded,
    lines,
    link,
    listing,
    note,
    recipe_link,
    run_link,
    table,
    verdicts,
)
from sepconv.report.tables.cells import describe_estimate, format_estimate, missing_results
from sepconv.results.store import Results
from sepconv.spec import Paper
from sepconv.verdicts.attribution import Gap
from sepconv.verdicts.rules import ALPHA, Judgement, Verdict
from sepconv.verdicts.sentences import evidence, look, reading

Judged = Sequence[tuple[Paper, Sequence[Judgement]]]


def scoreboard(judged: Judged) -> Html:
    """How many claims of each paper have which verdict, then each paper's claims, linked to their cards."""
    return Html(Markup("").join([_counts(judged), *(_claims(paper, judgements) for paper, judgements in judged)]))


def claim_cards(judgements: Sequence[Judgement]) -> Html:
    """A card for each claim, whose anchor is the claim's id."""
    return Html(Markup("").join(card(judgement, _entries(judgement)) for judgement in judgements))


def gaps_table(gaps: Sequence[Gap]) -> Html:
    """Each claim that did not come out: what is known of the reason, and the experiment that would tell more."""
    columns = [
        Column[Gap]("claim", lambda gap: lines([claim_link(gap.judgement), verdicts(gap.judgement)])),
        Column("likely cause", attrgetter("cause")),
        Column("what is known", attrgetter("known")),
        Column("what would tell more", attrgetter("experiment")),
    ]
    caption = f"{len(gaps)} claims that did not come out"
    return table(gaps, columns, caption, group=lambda gap: gap.judgement.paper, layout="stack")


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

    def count(verdicts_of: Counter[Verdict], verdict: Verdict | None) -> str:
        return str(verdicts_of[verdict] or NOTHING) if verdict else str(verdicts_of.total())

    columns = [Column[Verdict | None]("verdict", lambda verdict: badge(verdict) if verdict else "claims")]
    for paper, judgements in judged:
        verdicts_of = Counter(judgement.verdict for judgement in judgements)
        columns.append(Column(link(f"{paper.key}.html", paper.key), partial(count, verdicts_of), numeric=True))
    caption = "Verdicts on each paper’s claims"
    found = {judgement.verdict for _, judgements in judged for judgement in judgements}
    rows = [v for v in Verdict if v in found or v not in (Verdict.SUPPORTED, Verdict.NOT_SUPPORTED)]
    return table([*rows, None], columns, caption, mark=lambda verdict: "" if verdict else "total")


def _claims(paper: Paper, judgements: Sequence[Judgement]) -> Html:
    columns = [
        Column("claim", claim_link),
        Column("verdict", verdicts),
        Column("evidence", evidence),
        Column[Judgement]("the paper reports", lambda judgement: judgement.claim.reported),
        Column("reproduced (mean ± 95 % interval)", _estimate_in_short),
        Column("n", _seeds_in_short, numeric=True),
    ]
    return table(judgements, columns, f"{paper.key}: {paper.authors} ({paper.year}), {paper.title}", layout="stack")


def _estimate_in_short(judgement: Judgement) -> str:
    known = [part for part in judgement.parts if part.n]
    if len(known) == len(judgement.parts) == 1:
        return format_estimate(known[0])
    counts = Counter(part.verdict for part in known)
    if known:
        return ", ".join(f"{count} of {len(judgement.parts)} {verdict}" for verdict, count in counts.items())
    return note(missing_results(judgement))


def _seeds_in_short(judgement: Judgement) -> str:
    """Seeds of the part that has fewest; counts have none."""
    drawn = [part.n for part in judgement.parts if not part.exact]
    return str(min(drawn)) if drawn else NOTHING


def _entries(judgement: Judgement) -> Iterable[tuple[str, str]]:
    claim = judgement.claim
    yield "Criterion", claim.criterion
    if because := f"{claim.because} {reading(claim)}".strip():
        yield "Because", because
    yield "Expected" if claim.expected else "Reported", claim.reported
    several = len(judgement.parts) > 1
    estimates = [describe_estimate(part, with_verdict=several) for part in judgement.parts]
    yield "Found" if claim.expected else "Reproduced", _listed(estimates) or NOTHING
    yield "Evidence", evidence(judgement)
    if judgement.look:
        stricter = "; the interval shown stays that of 95 %" if judgement.level < ALPHA else ""
        yield "Judged at", f"{look(judgement)}{stricter}"
    if judgement.holm_verdict != judgement.verdict:
        yield "Correction", "The first verdict stands alone; the second is corrected for the number of claims (Holm)."
    if judgement.runs:
        yield "Runs", _folded(f"{len(judgement.runs)} used", [run_link(key) for key in judgement.runs])
    recipes = dict.fromkeys(q.of for q in claim.quantities if q.definition.source == "run" or q.unit == "bytes")
    if recipes:
        yield "Recipe", Markup(", ").join(recipe_link(judgement.paper, of) for of in recipes)
    if judgement.missing:
        yield "Missing", _folded(f"{len(judgement.missing)} still needed", judgement.missing)
    if judgement.set_aside:
        yield "Not counted", _folded(f"{len(judgement.set_aside)} set aside", judgement.set_aside)


def _listed(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else listing(texts)


def _folded(summary: str, texts: Sequence[str], most: int = 2) -> str:
    """A list that is folded where it is long."""
    return _listed(texts) if len(texts) <= most else folded(summary, listing(texts))

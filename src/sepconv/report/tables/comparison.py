"""Another folder of results beside ours, number by number."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from sepconv.report.markup import (
    NOTHING,
    Column,
    Html,
    claim_link,
    columns_of_cells,
    folded,
    lines,
    link,
    listing,
    note,
    table,
    verdicts,
)
from sepconv.report.tables.cells import describe_estimate, missing_results
from sepconv.spec import Budget, Paper
from sepconv.verdicts import compare
from sepconv.verdicts.compare import ComparedNumber, Comparison
from sepconv.verdicts.rules import Judgement
from sepconv.verdicts.sentences import number, several

Compared = Sequence[tuple[Paper, Sequence[Comparison]]]
Entry = tuple[ComparedNumber, Sequence[Comparison]]  # a number, and the claims that rest on it


def changed_table(compared: Compared) -> Html:
    """Each claim on which the other folder gives another verdict than ours, with the numbers on both sides."""

    def side(judgement: Judgement) -> Markup:
        return lines([verdicts(judgement), *(describe_estimate(part, with_verdict=False) for part in judgement.parts)])

    columns = [
        Column("claim", _claim_and_reported),
        Column[Comparison]("ours", lambda comparison: side(comparison.ours)),
        Column[Comparison]("theirs", lambda comparison: side(comparison.theirs)),
    ]
    changed = [comparison for _, found in compared for comparison in found if comparison.changed]
    caption = f"{several(len(changed), 'verdict')} changed"
    return table(changed, columns, caption, empty="No verdict changed", group=lambda comparison: comparison.ours.paper)


def compared_table(paper: Paper, comparisons: Sequence[Comparison]) -> Html:
    """Every number of a paper's claims that both folders have; equal counts are folded below the others."""
    entries = {entry: claims for entry, claims in compare.by_number(comparisons).items() if entry.theirs}
    equal = {entry: claims for entry, claims in entries.items() if entry.exact and not _differs(entry)}
    rest = {entry: claims for entry, claims in entries.items() if entry not in equal}
    caption = f"{paper.key}: {several(len(entries), 'number')} in both" if entries else f"{paper.key}: nothing in both"
    expected = Column("one more run of ours", _expected_and_seen, numeric=True)
    shown = [_numbers_table(rest, [_OURS, _THEIRS, expected], caption)] if rest or not equal else []
    if equal:
        counts = _numbers_table(equal, [_OURS, _THEIRS], f"Counts of {paper.key}")
        shown.append(Html(folded(f"{paper.key}: {several(len(equal), 'count')} equal in both", counts)))
    return Html(Markup("").join(shown))


def expected_table(paper: Paper, comparisons: Sequence[Comparison]) -> Html:
    """Every number of a paper's claims at every budget from which one more run of ours can be predicted."""
    entries = {entry: claims for entry, claims in compare.by_number(comparisons).items() if entry.expected}
    caption = f"{paper.key}: what to expect of one more run" if entries else f"{paper.key}: too few runs to expect one"
    expected = Column[Entry]("one more run", lambda entry: _range(entry[0]), numeric=True)
    return _numbers_table(entries, [_OURS, expected], caption)


def idle_claims(compared: Compared, given: bool) -> Html:
    """Claims of which nothing is compared (or, with no folder ``given``, predicted), folded, with what is missing."""
    idle = [c for _, found in compared for c in found if not (c.shared if given else c.predicted)]
    reasons = [
        Markup("{}: {}").format(
            link(f"{c.ours.paper}.html#{c.claim.id}", c.claim.id),
            _why_not_compared(c) if given else _why_not_predicted(c),
        )
        for c in idle
    ]
    return Html(folded(several(len(idle), "claim"), listing(reasons)))


def left_out_table(reasons: Sequence[str]) -> Html:
    """Files of the other folder that are compared with nothing, each with the reason."""
    caption = f"{several(len(reasons), 'result')} of the other folder not compared"
    empty = "Every result of the other folder is compared where ours has the same"
    return table([(reason,) for reason in reasons], columns_of_cells("result and reason"), caption, empty=empty)


def _numbers_table(
    numbers: Mapping[ComparedNumber, Sequence[Comparison]], columns: Sequence[Column[Entry]], caption: str
) -> Html:
    """Numbers by budget, the paper's first; those with a value where none was to be expected are marked."""
    largest_first = list(reversed(Budget))
    return table(
        sorted(numbers.items(), key=lambda entry: largest_first.index(entry[0].budget)),
        [Column[Entry]("number", lambda entry: _heading(*entry)), *columns],
        caption,
        group=lambda entry: f"budget {entry[0].budget}",
        mark=lambda entry: "differs" if _differs(entry[0]) else "",
    )


def _differs(entry: ComparedNumber) -> bool:
    """Whether one of their values is not where it was to be expected."""
    return entry.as_expected is not None and entry.as_expected < len(entry.theirs)


def _heading(entry: ComparedNumber, claims: Sequence[Comparison], most: int = 3) -> Markup:
    """What the number is, its unit where the words do not say it, and the first of the claims that rest on it.

    What the paper reports stands beside them where the number is one of the paper's budget.
    """
    label = f"{entry.label} ({entry.unit})" if entry.unit in ("%", "points", "s", "×") else entry.label
    rest = [note(f"and {several(len(claims) - most, 'other claim')}")] if len(claims) > most else []
    named = (_claim_and_reported(c) if entry.budget is Budget.PAPER else claim_link(c.ours) for c in claims[:most])
    return lines([label, *named, *rest])


def _claim_and_reported(comparison: Comparison) -> Markup:
    return Markup("{} {}").format(claim_link(comparison.ours), note(f"(paper: {comparison.claim.reported})"))


def _expected_and_seen(entry: Entry) -> Markup:
    """Where one more run of ours was to be expected, and how many of their values lie there."""
    row = entry[0]
    if row.as_expected is None:
        return note("too few of ours" if len(row.ours) < 2 else "ours are all equal")
    inside = f"{row.as_expected}\u00a0of\u00a0{len(row.theirs)}"
    return note(f"{inside} equal") if row.exact else lines([_range(row), note(f"{inside} in\u00a0it")])


def _range(row: ComparedNumber) -> str:
    if row.expected is None:
        return NOTHING
    return f"{number(row.expected.low, row.unit)} to\u00a0{number(row.expected.high, row.unit)}"


def _sample(values: Sequence[float], unit: str, most: int = 3) -> str:
    """A few values one by one, more as their range."""
    ordered = [number(value, unit) for value in sorted(values)]
    return ", ".join(ordered) if len(ordered) <= most else f"{ordered[0]} to {ordered[-1]} (n = {len(ordered)})"


_OURS = Column[Entry]("ours", lambda entry: _sample(entry[0].ours, entry[0].unit), numeric=True)
_THEIRS = Column[Entry]("theirs", lambda entry: _sample(entry[0].theirs, entry[0].unit), numeric=True)


def _why_not_compared(comparison: Comparison) -> str:
    if not comparison.claim.quantities:
        return "the paper’s own numbers, nothing to run"
    sides = {"ours": len(comparison.ours.missing), "theirs": len(comparison.theirs.missing)}
    missing = [f"{n} in {where}" for where, n in sides.items() if n]
    return f"results missing: {', '.join(missing)}" if missing else "measured differently"


def _why_not_predicted(comparison: Comparison) -> str:
    if not comparison.claim.quantities:
        return "the paper’s own numbers, nothing to run"
    ours = comparison.ours
    counted = ours.parts and all(part.exact for part in ours.parts)
    return "counted, has to be equal" if counted else f"{missing_results(ours)} at the paper’s budget"

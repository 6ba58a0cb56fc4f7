"""Judgements and comparisons as lines of text, for a terminal."""

from collections.abc import Iterator, Sequence

from sepconv.compare import Comparison, Row
from sepconv.sentences import counts, describe_part, number
from sepconv.verdicts import Judgement


def judgement_lines(judgements: Sequence[Judgement]) -> Iterator[str]:
    """One line a claim, hints below it, and the paper's count of verdicts at the end."""
    for judgement in judgements:
        yield f"{judgement.claim.id:36} {judgement.sentence}"
        if judgement.hint:
            yield f"{'':36} {judgement.hint}"
    yield counts(judgements)


def comparison_lines(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Changed verdicts first; then every number that both have, and where one more run of ours was to be expected."""
    for comparison in comparisons:
        if comparison.changed:
            yield f"{comparison.claim.id}: {comparison.ours.verdict} here, {comparison.theirs.verdict} there"
            yield from (f"  theirs: {describe_part(part)}" for part in comparison.theirs.parts)
        yield from (_row_line(comparison.claim.id, row) for row in comparison.rows)
    if not any(comparison.rows for comparison in comparisons):
        yield "no claim has numbers in both folders"


def _row_line(claim_id: str, row: Row) -> str:
    ours, theirs = (", ".join(number(value, row.unit) for value in values) for values in (row.ours, row.theirs))
    line = f"{claim_id} [{row.budget}] {row.label} in {row.unit or 'units'}: ours {ours}; theirs {theirs}"
    if row.expected is None:
        return line if row.as_expected is None else f"{line}; {row.as_expected} of {len(row.theirs)} equal"
    low, high = number(row.expected.low, row.unit), number(row.expected.high, row.unit)
    return f"{line}; one more run of ours: {low} to {high}, where {row.as_expected} of {len(row.theirs)} of theirs lie"

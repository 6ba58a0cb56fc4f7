"""Judgements and comparisons as lines of text, for a terminal."""

from collections.abc import Iterator, Sequence

import pandas as pd

from sepconv.verdicts.compare import ComparedNumber, Comparison, by_number
from sepconv.verdicts.rules import Judgement
from sepconv.verdicts.sentences import counts, describe_part, evidence, indication, listed, number


def judgement_lines(judgements: Sequence[Judgement]) -> Iterator[str]:
    """One line per claim with its grade of evidence, below it what is indicated, and last the count of verdicts."""
    for judgement in judgements:
        yield f"{judgement.claim.id:36} [{evidence(judgement)}] {judgement.sentence}"
        if indicated := indication(judgement):
            yield f"{'':36} {indicated}"
    yield counts(judgements)


def comparison_lines(comparisons: Sequence[Comparison], set_aside: Sequence[str]) -> Iterator[str]:
    """Changed verdicts and grades first; then every number that both have, and where one more run of ours would lie.

    ``set_aside`` names what they have and ours cannot be compared with.
    """
    for comparison in comparisons:
        if comparison.changed:
            yield f"{comparison.claim.id}: {comparison.ours.verdict} here, {comparison.theirs.verdict} there"
            yield f"  the paper reports: {comparison.claim.reported}"
            yield from (f"  ours: {describe_part(part)}" for part in comparison.ours.parts)
            yield from (f"  theirs: {describe_part(part)}" for part in comparison.theirs.parts)
    yield from (
        f"{c.claim.id}: evidence {evidence(c.ours)} here, {evidence(c.theirs)} there" for c in comparisons if c.regraded
    )
    for paper in dict.fromkeys(comparison.ours.paper for comparison in comparisons):
        numbers = by_number(c for c in comparisons if c.ours.paper == paper)
        yield from (_row_line(row, claims) for row, claims in numbers.items() if row.theirs)
    if not any(comparison.shared for comparison in comparisons):
        yield "no claim has numbers in both folders"
    yield from (f"not compared: {reason}" for reason in set_aside)


def limit_lines(limits: pd.DataFrame) -> Iterator[str]:
    """A line a network: images per second at most and as trained, and the fraction, where it was trained there.

    Args:
        limits: as :func:`sepconv.report.frames.limits` makes it.
    """
    yield f"{'network':36}{'least step ms':>15}{'limit images/s':>16}{'measured':>12}{'fraction':>10}"
    for row in limits.to_dict("records"):
        name = f"{row['paper']} {row['experiment']}"
        line = f"{name:36}{row['least_step_ms']:15.1f}{row['limit']:16.0f}"
        yield line if pd.isna(row["measured"]) else f"{line}{row['measured']:12.1f}{row['fraction']:10.1%}"


def _row_line(row: ComparedNumber, claims: Sequence[Comparison]) -> str:
    ours, theirs = (", ".join(number(value, row.unit) for value in values) for values in (row.ours, row.theirs))
    ids = listed([comparison.claim.id for comparison in claims])
    line = f"{ids} [{row.budget}] {row.label} in {row.unit or 'units'}: ours {ours}; theirs {theirs}"
    if row.expected is None:
        return line if row.as_expected is None else f"{line}; {row.as_expected} of {len(row.theirs)} equal"
    low, high = number(row.expected.low, row.unit), number(row.expected.high, row.unit)
    return f"{line}; one more run of ours: {low} to {high}, where {row.as_expected} of {len(row.theirs)} of theirs lie"

"""The landing page's answer, in sentences made from what was counted, trained and judged: no number is typed."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import pandas as pd
from markupsafe import Markup

from sepconv.criteria import enumeration
from sepconv.report.markup import Html, listing, paragraph
from sepconv.spec import Basis, Run
from sepconv.verdicts.rules import Judgement, Verdict
from sepconv.verdicts.sentences import several, signed

# By the quantity that a ratio is of: what the sentence is about, and how to say less and more of it.
_COSTS = {
    "weights": ("Weights", "fewer", "more"),
    "mult-adds": ("Arithmetic", "less", "more"),
    "memory of a training step": ("Training memory", "less", "more"),
    "training time": ("Training time", "faster", "slower"),
    "inference time": ("Inference time", "faster", "slower"),
}
_SAME = 1.05  # times; ratios nearer to one are "about the same"
_BASES = {
    Basis.COUNTED: "on counts",
    Basis.INTERNAL: "on what the paper says in two places",
    Basis.TRAINED: "on measured times",  # what is trained is said before
}


def costs(frame: pd.DataFrame) -> Html:
    """A sentence for each cost of the papers' separable networks, and one for their accuracy.

    Args:
        frame: as :func:`sepconv.report.frames.papers_ratios` makes it: ``pair``, ``quantity``, ``machine``, ``unit``
            (``×`` or ``points``), ``value``, ``low``, ``high`` and ``seeds``.
    """
    pairs = [*dict.fromkeys(frame["pair"])]
    ratios = frame[frame["unit"] == "×"].groupby("quantity", sort=False)
    sentences = [_cost(str(quantity), rows.dropna(subset="value"), pairs) for quantity, rows in ratios]
    return Html(listing([*sentences, _accuracy(frame[frame["unit"] == "points"].dropna(subset="value"), pairs)]))


def at_equal_cost(frame: pd.DataFrame) -> Html:
    """A sentence for each cost at which the two kinds of network are compared, or one that none is tested yet.

    Args:
        frame: as :func:`sepconv.report.frames.deltas` makes it: ``what``, ``delta``, ``low``, ``high`` and
            ``margin``, below which a difference is none.
    """
    found = [f"At equal {row['what']}: {_lead(row)}." for _, row in frame.iterrows()]
    return Html(listing(found or ["At equal cost: not tested yet."]))


def support(judgements: Sequence[Judgement]) -> Html:
    """How many of the claims that are judged rest on whole trainings, and on what the others rest."""
    judged = [judgement for judgement in judgements if judgement.verdict is not Verdict.NOT_TESTED]
    trained = [judgement for judgement in judged if _is_trained(judgement)]
    others = Counter(judgement.claim.basis for judgement in judged if not _is_trained(judgement))
    parts = [f"{len(trained)} rest on training at the paper’s own schedule"]
    parts += [f"{others[basis]} {words}" for basis, words in _BASES.items() if others[basis]]
    return paragraph(f"Of the {len(judged)} judged claims, {enumeration(parts)}.")


def missing(
    judgements: Sequence[Judgement], absent: Collection[Run], seconds: Mapping[str, Mapping[str, float]]
) -> Html:
    """What is not tested, and the runs that it would take.

    Args:
        judgements: of all claims.
        absent: the runs that are missing.
        seconds: what they would take on each machine, by key, where it is known.
    """
    untested = sum(judgement.verdict is Verdict.NOT_TESTED for judgement in judgements)
    text = (
        f"{untested} of {several(len(judgements), 'claim')} are not tested yet. Missing: {several(len(absent), 'run')}"
    )
    if seconds:
        machine, known = max(seconds.items(), key=lambda item: len(item[1]))
        text += f", of which {len(known)} would take about {sum(known.values()) / 3600:,.0f} hours on {machine}"
    return paragraph(f"{text}; and times from accelerators.")


def _cost(quantity: str, rows: pd.DataFrame, pairs: Iterable[str]) -> Markup:
    """What the separable networks cost of one quantity, from the least to the most over the machines."""
    title, less, more = _COSTS.get(quantity, (quantity.capitalize(), "less", "more"))
    found = {
        str(pair): _times(values.min(), values.max(), less, more)
        for pair, values in rows.groupby("pair", sort=False)["value"]
    }
    machines = [machine for machine in dict.fromkeys(rows["machine"]) if machine]
    return _sentence(title, found, pairs, f"Measured on {'; '.join(machines)}." if machines else "")


def _accuracy(rows: pd.DataFrame, pairs: Iterable[str]) -> Markup:
    """How the accuracies differ, undecided where the interval includes zero or is not known."""
    return _sentence("Accuracy", {str(row["pair"]): _difference(row) for _, row in rows.iterrows()}, pairs)


def _sentence(title: str, found: Mapping[str, str], pairs: Iterable[str], more: str = "") -> Markup:
    """Title, what was found with the pairs that it was found of, and the pairs of which nothing is known."""
    of: dict[str, list[str]] = {}
    for pair, words in found.items():
        of.setdefault(words, []).append(pair)
    said = "; ".join(f"{words} in {_named(same)}" for words, same in of.items())
    untested = [pair for pair in pairs if pair not in found]
    pieces = [f"{said}." * bool(said), f"Not known yet: {_named(untested)}." if untested else "", more]
    return Markup("<strong>{}:</strong> {}").format(title, " ".join(filter(None, pieces)))


def _times(low: float, high: float, less: str, more: str) -> str:
    """One ratio or a range of ratios, in words: 0.5 is two times less."""
    if low > 1 / _SAME and high < _SAME:
        return "about the same"
    if high <= 1:
        return f"{_range(1 / high, 1 / low)} times {less}"
    if low >= 1:
        return f"{_range(low, high)} times {more}"
    return f"from {1 / low:.1f} times {less} to {high:.1f} times {more}"


def _range(low: float, high: float) -> str:
    ends = dict.fromkeys(f"{end:.1f}" if end < 20 else f"{end:,.0f}" for end in (low, high))
    return " to ".join(ends)


def _difference(row: "pd.Series[float]") -> str:
    """The separable network's accuracy minus the other's."""
    seeds = several(int(row["seeds"]), "seed")
    if pd.isna(row["low"]):
        return f"undecided ({signed(row['value'])} points with {seeds}, too few for an interval)"
    found = f"{signed(row['value'])} ± {(row['high'] - row['low']) / 2:.1f} points, {seeds}"
    if row["low"] <= 0 <= row["high"]:
        return f"undecided ({found})"
    return f"{'higher' if row['value'] > 0 else 'lower'} ({found})"


def _lead(row: "pd.Series[float]") -> str:
    """How far the separable networks are ahead."""
    if pd.isna(row["low"]):
        return f"undecided ({signed(row['delta'])} points, too few seeds for an interval)"
    found = f"{signed(row['delta'])} ± {(row['high'] - row['low']) / 2:.1f} points"
    if -row["margin"] < row["low"] and row["high"] < row["margin"]:
        return f"no difference that matters ({found})"
    if row["low"] <= 0 <= row["high"]:
        return f"undecided ({found})"
    return f"separable networks are {'ahead' if row['delta'] > 0 else 'behind'} ({found})"


def _named(pairs: Iterable[str]) -> str:
    """Pairs such as ``yu2021, CIFAR-10``, each paper once."""
    images: dict[str, list[str]] = {}
    for paper, _, of in (pair.partition(", ") for pair in pairs):
        images.setdefault(paper, []).append(of)
    return enumeration([f"{paper} ({enumeration(of)})" for paper, of in images.items()])


def _is_trained(judgement: Judgement) -> bool:
    trained = any(quantity.definition.source == "run" for quantity in judgement.claim.quantities)
    return judgement.claim.basis is Basis.TRAINED and trained

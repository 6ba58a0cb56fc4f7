"""Checks in plain words: the criterion of every claim whose paper's module writes none."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from sepconv.spec import (
    AheadAtEqualCost,
    Check,
    Consistent,
    CostName,
    DifferenceWithin,
    Equal,
    Number,
    Ordered,
    Paper,
    Quantity,
    RatioWithin,
    Within,
)

# Where these end in a preposition, the epoch follows: training accuracy is an average over the batches of an epoch, the
# others are measured when it has ended.
_PHRASES = {
    "num_params": "parameters",
    "trainable_params": "trainable parameters",
    "mult_adds": "mult-adds for one image",
    "weighted_layers": "convolution and dense layers",
    "weight_bytes": "bytes of weights and optimizer state",
    "training_step_bytes": "bytes in one training step",
    "train_accuracy": "training accuracy in",
    "val_accuracy": "validation accuracy after",
    "test_accuracy": "test accuracy after",
    "generalisation_gap": "training accuracy minus validation accuracy",
    "epoch_seconds": "time per epoch",
    "total_seconds": "training time",
}
COST_PHRASES: dict[CostName, str] = {
    "mult_adds": "mult-adds",
    "num_params": "parameters",
    "training_step_bytes": "bytes of a training step",
    "engine_seconds": "training time by this engine",
    "fit_seconds": "training time by stock fit",
    "latency_p50_1": "latency at batch size 1",
    "latency_p50_64": "latency at batch size 64",
}


def complete(paper: Paper) -> Paper:
    """The paper, with a criterion for each claim that has none."""
    written = (c if c.criterion else replace(c, criterion=criterion(c.check, paper.labels)) for c in paper.claims)
    return replace(paper, claims=tuple(written))


def criterion(check: Check, labels: Mapping[str, str]) -> str:
    """What has to hold, in one sentence; ``labels`` says what to call each experiment."""
    text = _clauses(check, labels)
    return f"{text[0].upper()}{text[1:]}{', paired over seeds' * _is_paired(check)}."


def _clauses(check: Check, labels: Mapping[str, str]) -> str:
    match check:
        case Equal():
            return _equal(check, labels[check.quantity.of])
        case Within():
            return "; ".join(_within(check, phrase, labels) for phrase in dict.fromkeys(map(_phrase, check.quantities)))
        case Ordered():
            phrases = dict.fromkeys((_phrase(pair.first), _phrase(pair.second)) for pair in check.pairs)
            return "; ".join(_ordered(check, more, less, labels) for more, less in phrases)
        case DifferenceWithin():
            limits = _limits(check.low, check.high, check.pair.first.unit.replace("%", "points"))
            return f"{_side(check.pair.first, labels)} minus {_side(check.pair.second, labels)} is {limits}"
        case RatioWithin():
            limits = f"at most {_number(check.high)}" if check.low == 0 else _limits(check.low, check.high)
            return f"{_side(check.pair.first, labels)} divided by {_side(check.pair.second, labels)} is {limits}"
        case AheadAtEqualCost():
            first, second = (
                enumeration([labels[quantity.of] for quantity in side]) for side in (check.first, check.second)
            )
            equal = enumeration([f"equal {COST_PHRASES[cost]}" for cost in check.costs])
            unit = check.first[0].unit.replace("%", "points")
            return (
                f"at {equal}, {_phrase(check.first[0])} is higher for {first} than for {second} by "
                f"{_number(check.margin)} {unit} or more, averaged over the logarithm of the cost"
            )
        case Consistent():
            return "; ".join(
                f"{_side(a.left, labels)} and {_side(a.right, labels)} differ by less than {_number(a.tolerance)}"
                for a in check.agreements
            )
    assert_never(check)


def _equal(check: Equal, label: str) -> str:
    count = f"{_number(check.expected)} {_phrase(check.quantity)}"
    if check.resolution == 1:
        return f"{label} has exactly {count}"
    return f"{label} has {count}, to less than {_number(check.resolution)}"


def _within(check: Within, phrase: str, labels: Mapping[str, str]) -> str:
    """One metric; of an accuracy the tolerance is named, of anything else the limits."""
    asked = [quantity for quantity in check.quantities if _phrase(quantity) == phrase]
    limits = _limits(check.low, check.high, asked[0].unit)
    if asked[0].unit == "%":
        half = (check.high - check.low) / 2
        limits = f"within {_number(half)} point{'s' * (half != 1)} of {_number(check.low + half)} %"
        if check.high >= 100:
            limits = f"at least {_number(check.low)} %"
    return f"{phrase} is {limits} for {enumeration([labels[quantity.of] for quantity in asked])}"


def _ordered(check: Ordered, more: str, less: str, labels: Mapping[str, str]) -> str:
    """The pairs that hold the metric ``more`` against the metric ``less``."""
    pairs = [pair for pair in check.pairs if (_phrase(pair.first), _phrase(pair.second)) == (more, less)]
    names = [(labels[pair.first.of], labels[pair.second.of]) for pair in pairs]
    if all(first == second for first, second in names):
        return f"{more} is above {less} for {enumeration([first for first, _ in names])}"
    if more == less and pairs[0].first.definition.source == "cost":
        return " and ".join(f"{first} has more {more} than {second}" for first, second in names)
    other = "" if more == less else f"{less} "
    return f"{more} is " + " and ".join(f"higher for {first} than {other}for {second}" for first, second in names)


def _side(term: Quantity | Number, labels: Mapping[str, str]) -> str:
    return f"{_phrase(term)} of {labels[term.of]}" if isinstance(term, Quantity) else term.label


def _phrase(quantity: Quantity) -> str:
    """The metric in words, with the epoch where one matters."""
    words = _PHRASES.get(quantity.name, quantity.definition.description)
    if words.endswith((" in", " after")):
        return f"{words} {f'epoch {quantity.epoch}' if quantity.epoch else 'the last epoch'}"
    return f"{words} at epoch {quantity.epoch}" if quantity.epoch else words


def _limits(low: float, high: float, unit: str = "") -> str:
    return f"between {_number(low)} and {_number(high)} {unit}".rstrip()


def _number(value: float) -> str:
    return f"{value:,.12g}".replace("-", "−")


def enumeration(names: Sequence[str]) -> str:
    """Names in a row: ``a``, ``a and b``, ``a, b and c``."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _is_paired(check: Check) -> bool:
    """Whether values of equal seeds are compared."""
    pairs = check.pairs if isinstance(check, Ordered) else (check.pair,) if isinstance(check, DifferenceWithin) else ()
    asked = [pair.first.definition for pair in pairs]
    return any(metric.source == "run" and metric.unit != "s" for metric in asked)

"""Criteria are made from the check, or written and held against it; those that were committed keep their meaning."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from factories import claim, paper_of
from sepconv import criteria, metrics
from sepconv.papers import all_papers, yu2021
from sepconv.spec import (
    CLASSES,
    TEST_IMAGES,
    Agreement,
    AheadAtEqualCost,
    Consistent,
    DifferenceWithin,
    Equal,
    Number,
    Ordered,
    Quantity,
    RatioWithin,
    Within,
    above,
    difference_within,
    equal,
    every,
    higher,
    highest,
    increasing,
    pair,
    ratio_within,
    within,
)

# Every criterion as committed at f685639, or with its claim where that was added later. "generated" is the sentence
# that stands in its place today, read beside it and found to say the same; there is none where the committed sentence
# still stands.
KNOWN = json.loads((Path(__file__).parent / "data" / "criteria.json").read_text())
CLAIMS = {c.id: (p, c) for p in all_papers() for c in p.claims}
LABELS = {"a": "Conv", "b": "DepthSepConv", "c": "c"}

# --- what was committed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id_", KNOWN)
def test_committed_criterion_is_there_to_the_letter_or_in_its_reviewed_wording(id_):
    paper, claim = CLAIMS[id_]
    assert claim.criterion == KNOWN[id_].get("generated", KNOWN[id_]["committed"])
    if "generated" in KNOWN[id_]:
        assert claim.criterion == criteria.criterion(claim.check, paper.labels)


def test_no_reviewed_wording_is_left_over():
    assert [id_ for id_, known in KNOWN.items() if known.get("generated") == known["committed"]] == []


# --- what is generated -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "sentence"),
    [
        (equal("num_params", of="a", expected=2_201_674), "Conv has exactly 2,201,674 parameters."),
        (
            equal("mult_adds", of="c", expected=32_500_000, resolution=1e5),
            "C has 32,500,000 mult-adds for one image, to less than 100,000.",
        ),
        (
            within("test_accuracy", 92, 94, of=["a"]),
            "Test accuracy after the last epoch is within 1 point of 93 % for Conv.",
        ),
        (
            within("val_accuracy", 67.49, 70.49, of=["a", "b", "c"], epoch=3),
            "Validation accuracy after epoch 3 is within 1.5 points of 68.99 % for Conv, DepthSepConv and c.",
        ),
        (
            within("train_accuracy", 97, 100, of=["a"], epoch=30),
            "Training accuracy in epoch 30 is at least 97 % for Conv.",
        ),
        (
            within("epoch_seconds", 0.5, 4, of=["a", "b"]),
            "Time per epoch is between 0.5 and 4 s for Conv and DepthSepConv.",
        ),
        (
            Within((Quantity("test_accuracy", "a"), Quantity("train_accuracy", "b")), 90, 92),
            "Test accuracy after the last epoch is within 1 point of 91 % for Conv; training accuracy in the last "
            "epoch is within 1 point of 91 % for DepthSepConv.",
        ),
        (higher("num_params", of="a", than="b"), "Conv has more parameters than DepthSepConv."),
        (
            increasing("weighted_layers", "a", "b", "c"),
            "DepthSepConv has more convolution and dense layers than Conv and c has more convolution and dense layers "
            "than DepthSepConv.",
        ),
        (
            higher("val_accuracy", of="b", than="a"),
            "Validation accuracy after the last epoch is higher for DepthSepConv than for Conv, paired over seeds.",
        ),
        (
            highest("generalisation_gap", of="a", than=["b", "c"]),
            "Training accuracy minus validation accuracy is higher for Conv than for DepthSepConv and higher for Conv "
            "than for c, paired over seeds.",
        ),
        (higher("total_seconds", of="a", than="b"), "Training time is higher for Conv than for DepthSepConv."),
        (
            above("test_accuracy", "train_accuracy", of=["a", "b"]),
            "Test accuracy after the last epoch is above training accuracy in the last epoch for Conv and "
            "DepthSepConv, paired over seeds.",
        ),
        (
            Ordered((replace(pair("test_accuracy", of="a", than="b"), second=Quantity("train_accuracy", "b")),)),
            "Test accuracy after the last epoch is higher for Conv than training accuracy in the last epoch for "
            "DepthSepConv, paired over seeds.",
        ),
        (
            every(higher("mult_adds", of="a", than="b"), higher("epoch_seconds", of="b", than="a")),
            "Conv has more mult-adds for one image than DepthSepConv; time per epoch is higher for DepthSepConv than "
            "for Conv.",
        ),
        (
            difference_within("test_accuracy", -2, 2, of="a", than="b"),
            "Test accuracy after the last epoch of Conv minus test accuracy after the last epoch of DepthSepConv is "
            "between −2 and 2 points, paired over seeds.",
        ),
        (
            ratio_within("epoch_seconds", 0, 1.25, of="b", than="a"),
            "Time per epoch of DepthSepConv divided by time per epoch of Conv is at most 1.25.",
        ),
        (
            ratio_within("epoch_seconds", 1.5, 2.35, of="b", than="a"),
            "Time per epoch of DepthSepConv divided by time per epoch of Conv is between 1.5 and 2.35.",
        ),
        (
            Consistent((Agreement(Quantity("num_params", "a"), Number("the count in Table 1", 7), 0.5),)),
            "Parameters of Conv and the count in Table 1 differ by less than 0.5.",
        ),
        (
            within("settling_epoch", 1, 2, of=["a"], epoch=4),
            "Settling epoch at epoch 4 is between 1 and 2 epochs for Conv.",
        ),
    ],
)
def test_sentence_of_a_check(check, sentence):
    assert criteria.criterion(check, LABELS) == sentence


def test_claim_without_criterion_gets_the_sentence_of_its_check():
    check = higher("num_params", of="a", than="b")
    bare = paper_of(replace(claim(check, "order"), criterion=""))
    assert [c.criterion for c in criteria.complete(bare).claims] == ["A has more parameters than b."]


def test_written_criterion_is_kept():
    written = paper_of(claim(higher("num_params", of="a", than="b"), "order"))
    assert criteria.complete(written) == written


# --- the numbers of every criterion ----------------------------------------------------------------------------------

_NUMBER = re.compile(r"\d+(?:,\d{3})+|\d+(?:\.\d+)?")
_REFERENCE = re.compile(r"(?:Fig\.|Table|Sec\.) [\d.]*\d")
_ORDINALS = {"fifth": 5}
_TRIVIAL = {0.0, 100.0}  # limits that ratios, distances and percentages have by themselves
# Numbers that belong to a metric rather than to a check.
_OF_METRIC = {"settling_epoch": {100 * metrics.SETTLED}, "log_distance": {yu2021.LOG_FROM_EPOCH - 1}}
_SCALES = (1, 1e6, 1e9)  # "0.0325 GFLOPs", "62.3 million"


def numbers(text: str) -> set[float]:
    """The numbers in a text, but for those of places in a paper and of the shape of a kernel."""
    plain = re.sub(r"\d×\d", "", _REFERENCE.sub("", text))
    found = {float(number.replace(",", "")) for number in _NUMBER.findall(plain)}
    return found | {value for word, value in _ORDINALS.items() if word in text.split()}


def scaled(text: str) -> set[float]:
    """The numbers in a text, as they are, in millions and in billions."""
    return {round(number * scale, 6) for number in numbers(text) for scale in _SCALES}


def last_digits(text: str) -> set[tuple[float, float]]:
    """Each number of a text with one unit of its last digit, at each scale."""
    written = [number.replace(",", "") for number in _NUMBER.findall(_REFERENCE.sub("", text))]
    units = [(float(number), 10.0 ** -len(number.partition(".")[2])) for number in written]
    return {(round(number * scale, 6), round(unit * scale, 6)) for number, unit in units for scale in _SCALES}


def stated(check) -> set[float]:
    """Every number that the check holds, and for an interval its middle and half its width."""
    match check:
        case Equal():
            return {check.expected, check.resolution}
        case Within() | DifferenceWithin() | RatioWithin():
            half = (check.high - check.low) / 2
            limits = {abs(check.low), check.high, half, check.low + half}
            return {round(number, 6) for number in limits}
        case AheadAtEqualCost():
            return numbers(" ".join(check.costs).replace("_", " ")) | {check.margin}
        case Consistent():
            sides = [side for a in check.agreements for side in (a.left, a.right) if isinstance(side, Number)]
            found = {side.value for side in sides} | {a.tolerance for a in check.agreements}
            return found.union(*(numbers(side.label) for side in sides))
    return set()


def of_experiments(paper, claim) -> set[float]:
    """Numbers that tell the compared experiments apart, or that all of them share."""
    found = {TEST_IMAGES}
    for quantity in claim.quantities:
        experiment = paper.experiment(quantity.of)
        names = [quantity.name, *experiment.network.options, experiment.label]
        options = experiment.network.options.values()
        found |= {float(number) for name in names for number in re.findall(r"\d+", name)}
        found |= {float(value) for value in options if isinstance(value, int) and not isinstance(value, bool)}
        found |= {CLASSES[experiment.dataset]} | _OF_METRIC.get(quantity.name, set())
        found |= {experiment.recipe.batch_size} if experiment.recipe else set()
    return found


@pytest.mark.parametrize("id_", CLAIMS)
def test_every_number_of_a_criterion_is_one_of_its_check(id_):
    paper, claim = CLAIMS[id_]
    epochs = {quantity.epoch for quantity in claim.quantities if quantity.epoch}
    assert numbers(claim.criterion) <= stated(claim.check) | epochs | of_experiments(paper, claim)


@pytest.mark.parametrize("id_", CLAIMS)
def test_every_place_that_a_criterion_names_is_one_of_the_claim(id_):
    paper, claim = CLAIMS[id_]
    notes = " ".join(paper.experiment(quantity.of).note for quantity in claim.quantities)
    assert [place for place in _REFERENCE.findall(claim.criterion) if place not in f"{claim.where} {notes}"] == []


@pytest.mark.parametrize("id_", [i for i, (_, c) in CLAIMS.items() if not isinstance(c.check, Equal | Consistent)])
def test_every_limit_and_epoch_of_a_check_is_in_its_criterion(id_):
    _, claim = CLAIMS[id_]
    check, said = claim.check, numbers(claim.criterion)
    assert {quantity.epoch for quantity in claim.quantities if quantity.epoch} <= said
    if isinstance(check, Ordered):
        return
    if isinstance(check, AheadAtEqualCost):
        assert check.margin in said
        return
    half = round((check.high - check.low) / 2, 6)
    middle = round(check.low + half, 6)
    if " within " in claim.criterion:
        assert {half, middle} <= said
        assert middle in numbers(claim.reported)
    else:
        assert {abs(check.low), check.high} - _TRIVIAL <= said


@pytest.mark.parametrize("id_", [i for i, (_, c) in CLAIMS.items() if isinstance(c.check, Equal)])
def test_count_that_is_expected_is_reported_to_that_resolution(id_):
    _, claim = CLAIMS[id_]
    check = claim.check
    assert (check.expected, check.resolution) in last_digits(claim.reported)
    assert ("exactly" in claim.criterion) == (check.resolution == 1)
    assert ("one unit of the last digit" in claim.criterion) == (check.resolution != 1)


# The formulas of yu2021.connections, which hold no numbers, are evaluated layer by layer in tests/test_cost.py.
@pytest.mark.parametrize(
    "id_", [i for i, (_, c) in CLAIMS.items() if isinstance(c.check, Consistent) and numbers(c.reported)]
)
def test_numbers_that_have_to_agree_are_reported(id_):
    """One side of each agreement is what the paper prints, or arithmetic on it that its label shows."""
    _, claim = CLAIMS[id_]
    printed = scaled(claim.reported)
    for agreement in claim.check.agreements:
        sides = [side for side in (agreement.left, agreement.right) if isinstance(side, Number)]
        assert any({round(side.value, 6), *numbers(side.label)} & printed for side in sides), agreement


@pytest.mark.parametrize("id_", [i for i, (_, c) in CLAIMS.items() if "one unit of its last digit" in c.criterion])
def test_tolerance_of_one_unit_is_one_of_the_last_digit_reported(id_):
    _, claim = CLAIMS[id_]
    units = dict(last_digits(claim.reported))
    for agreement in claim.check.agreements:
        assert agreement.tolerance == pytest.approx(units[round(agreement.right.value, 6)])

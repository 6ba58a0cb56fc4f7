"""What islam2022 states of itself: ablations that change one thing, and FLOPs as its Table 1 counts them."""

import pytest

from sepconv.measuring import cost
from sepconv.papers import islam2022, paper
from sepconv.spec import Budget, Experiment, Network, Run, to_json
from sepconv.training import augment

NAMES = ("small", "small-unscaled-decay")
LARGE = {"dim": 256, "kernel": 7, "depth": 16}


def test_ablations_of_small_change_one_thing():
    reference, *ablations = [e for e in paper("islam2022").experiments if e.name.startswith("small")]
    for experiment in ablations:
        ours, theirs = to_json(experiment), to_json(reference)
        differing = [key for key in ("network", "recipe", "dataset") if ours[key] != theirs[key]]
        assert len(differing) == 1, experiment.name


@pytest.mark.parametrize(
    ("options", "giga"),
    [
        ({}, 0.0325),  # Table 1, Small
        ({"dim": 256}, 0.1238),  # Medium
        (LARGE | {"patch": 1}, 1.0092),  # Large
        (LARGE, 0.2529),  # Large at the patch size that its parameters say
    ],
)
def test_flops_as_table_1_counts_them(options, giga):
    counted = cost.count("test", Experiment("x", Network("islam.patch_network", options), "cifar10"))
    assert int(islam2022.FLOPS.read(counted) / 1e5) == round(giga * 1e4)


CLAIMS = {c.id.removeprefix("islam2022."): c for c in paper("islam2022").claims}


def test_large_tests_the_convention_that_small_and_medium_chose():
    assert [name for name, claim in CLAIMS.items() if claim.fitted] == ["flops-small", "flops-medium"]
    assert CLAIMS["flops-large"].reading_from == ("islam2022.flops-small", "islam2022.flops-medium")


def test_table_1_cuts_its_flops_off():
    """Rounded, Large's would be 1.0093."""
    large = cost.count("test", Experiment("x", Network("islam.patch_network", LARGE | {"patch": 1}), "cifar10"))
    assert f"{islam2022.FLOPS.read(large) / 1e9:.4f}" == "1.0093"


def test_no_quoted_accuracy_stands_in_the_work_that_is_cited_for_it():
    agreements = CLAIMS["quoted-accuracies"].check.agreements
    assert [(a.left.value, a.right.value) for a in agreements] == [(0, 1)] * 4
    vit = islam2022.QUOTED_ACCURACIES[-1]
    printed = islam2022.QuotedAccuracy(vit.network, 99.5, vit.cited, vit.printed)
    assert printed.agreement.left.value == 1
    assert f"prints {min(vit.printed)} to {max(vit.printed)} %" in CLAIMS["quoted-accuracies"].because


def test_faster_convergence_is_asked_for_at_a_tenth_of_the_epochs():
    asked = CLAIMS["residual-faster"].quantities
    assert {(q.name, q.epoch) for q in asked} == {("train_accuracy", islam2022.RECIPE.epochs / 10)}
    assert [q.of for q in asked] == ["small", "small-no-residual"]


def test_unscaled_decay_is_small_with_another_adamw():
    small, unscaled = (Run("islam2022", paper("islam2022").experiment(name), Budget.PAPER, 0) for name in NAMES)
    assert unscaled.spec["recipe"]["optimizer"] == small.spec["recipe"]["optimizer"] | {"decay_times_rate": False}
    assert "decay_times_rate" not in small.spec["recipe"]["optimizer"]
    (departure,) = (d for d in paper("islam2022").departures if d.counterpart.get("small"))
    assert "TensorFlow Addons" in departure.because
    assert f"{1 / small.recipe.schedule.peak:g} times as strong" in departure.because


def test_departure_says_how_the_policies_differ_from_torchvision():
    """torchvision 0.20: 10 levels up to 150/331 of the side, and up to 0.9 around 1."""
    (departure,) = (d for d in paper("islam2022").departures if "AutoAugment" in d.what)
    low, high = augment.ENHANCE
    assert f"translation of {32 * augment.TRANSLATION:g} pixels" in departure.ours
    assert f"{low:g} + {(high - low) / augment.AUTOAUGMENT_LEVELS:g} per level" in departure.ours
    assert f"translates by {32 * 150 / 331:.1f} pixels" in departure.because

"""What yu2021 states of itself: the authors' log, and the distance of a run to it."""

from dataclasses import asdict
from itertools import pairwise
from math import prod
from pathlib import Path

import pytest

from factories import run_of
from sepconv.papers import paper, training_log, yu2021
from sepconv.results import store
from sepconv.spec import FLOAT32_BYTES, Quantity
from sepconv.verdicts import samples

RESULTS = Path(__file__).parents[2] / "results"


def claim(name):
    return next(c for c in paper("yu2021").claims if c.id == f"yu2021.{name}")


def because(name):
    return claim(name).because


def cost(name):
    return store.read(store.path_of(RESULTS, f"yu2021/{name}/cost"))


def test_log_covers_the_epochs_of_each_recipe():
    log = training_log(paper("yu2021"))
    assert len(log) == 470
    for experiment in yu2021.TRAINED:
        epochs = log[log["experiment"] == experiment.name]["epoch"]
        assert list(epochs) == list(range(1, experiment.recipe.epochs + 1))


def test_claims_read_the_log_as_it_is():
    """The last line of each network in the notebooks, as read off them by eye."""
    printed = {agreement.left.label: agreement.right.value for agreement in claim("bn-mode").check.agreements}
    assert printed == {
        "printed for cifar10-dw": 89.86,
        "printed for cifar10-conv": 88.34,
        "printed for cifar100-dw": 69.15,
        "printed for cifar100-conv": 67.78,
    }


def test_log_is_that_of_one_run_of_each_network():
    """A restart would have left out or repeated epochs, which the printed total has no room for, or begun anew."""
    log = training_log(paper("yu2021"))
    runs = [run for _, run in log.groupby("experiment", sort=False)]
    for agreement, run in zip(claim("log-total").check.agreements, runs, strict=True):
        seconds = run["train_seconds"] + run["test_seconds"]
        assert agreement.left.value == pytest.approx(seconds.sum())
        assert abs(agreement.left.value - agreement.right.value) < agreement.tolerance < seconds.min() / 2
        assert run["train_loss"][10:].max() < run["train_loss"].iloc[0] / 2


@pytest.mark.parametrize(("classes", "ahead", "timely"), [(10, 4, (89, 89.86)), (100, 10, (89, 55.28))])
def test_order_in_the_log_at_equal_epochs_and_in_equal_time(classes, ahead, timely):
    log = training_log(paper("yu2021")).set_index(["experiment", "epoch"])
    dw, conv = log.loc[f"cifar{classes}-dw"], log.loc[f"cifar{classes}-conv"]
    (agreement,) = claim(f"log-order{classes}").check.agreements
    lead = dw["test_accuracy"].loc[:50] - conv["test_accuracy"]
    assert (agreement.left.value, agreement.right.value, agreement.tolerance) == (ahead, 50, 25)
    assert ahead == (lead > 0).sum()
    epochs, accuracy = timely
    assert dw["test_accuracy"][epochs] == accuracy
    assert f"{epochs} epochs and reaches {accuracy}" in because(f"log-order{classes}")
    spent = (dw["train_seconds"] + dw["test_seconds"]).cumsum()
    assert spent[epochs] <= (conv["train_seconds"] + conv["test_seconds"]).sum() < spent[epochs + 1]


def test_convnet_is_ahead_at_every_common_epoch_of_cifar_10_from_the_tenth_on():
    log = training_log(paper("yu2021")).set_index(["experiment", "epoch"])["test_accuracy"]
    lead = log["cifar10-conv"] - log["cifar10-dw"].loc[:50]
    assert (lead.loc[10:] > 0).all()
    assert lead.loc[9] < 0


def test_seconds_that_the_claim_on_80_epochs_multiplies():
    log = training_log(paper("yu2021")).set_index("experiment").loc["cifar100-conv"]
    train, test = (f"{log[f'{part}_seconds'].mean():.1f}" for part in ("train", "test"))
    assert f"{len(log)} × ({train} + {test}) s = 1,770 s" in because("epochs-80")
    assert "50 × 33.2 s = 1,660 s" in because("epochs-80")


def test_mobilenet_with_and_without_its_classifier():
    standard, separable = (cost(name) for name in ("mobilenet-standard", "mobilenet"))
    without = {n.experiment: yu2021.CONVOLUTION_MULT_ADDS.read(n) for n in (standard, separable)}
    assert without == {"mobilenet-standard": 4_866_269_184, "mobilenet": 567_716_352}
    assert abs(without["mobilenet-standard"] - 4866e6) < 1e6 < standard.mult_adds - 4866e6
    assert abs(separable.mult_adds - 569e6) < 1e6 < 569e6 - without["mobilenet"]
    said = because("mobilenet-cost-convolutions")
    for count in (1000 * 1024, without["mobilenet"], separable.mult_adds):
        assert f"{count / 1e6:.2f}" in said
    assert f"{100 * (standard.mult_adds / 4866e6 - 1):.2f} %" in because("mobilenet-cost")


def test_activations_that_padding_copies():
    """Inputs of strided convolutions are padded by a layer of its own: two rows and columns more than they had."""
    (departure,) = (d for d in paper("yu2021").departures if d.what == "copies that padding makes")
    for name, label in (("cifar10-dw", "DepthwiseConvNet"), ("cifar10-conv", "ConvNet")):
        counted = cost(name)
        strided = [x for x in counted.layers if x.stride == 2 and x.name != "stem_conv"]
        assert [x.input_shape[0] for x in strided] == [66, 34, 18, 10]
        copies = FLOAT32_BYTES * counted.batch_size * sum(prod(x.input_shape) for x in strided)
        share = copies / (counted.activation_bytes - copies)
        assert f"{100 * share:.0f} %" in departure.ours, label


def test_log_is_as_noisy_as_the_criterion_of_the_curves_says():
    log = training_log(paper("yu2021"))
    steps = {name: [abs(b - a) for a, b in pairwise(run["test_accuracy"])] for name, run in log.groupby("experiment")}
    means = [sum(later) / len(later) for later in (s[5:] for s in steps.values())]
    assert (round(min(means), 1), round(max(means), 1)) == (1.7, 3.4)
    assert round(max(max(s[:4]) for s in steps.values())) == 32


def test_distance_to_the_log_of_the_authors():
    experiment = paper("yu2021").experiment("cifar10-conv")
    log = training_log(paper("yu2021"))
    theirs = log[log["experiment"] == experiment.name].sort_values("epoch")["test_accuracy"].tolist()
    run = run_of(experiment, 0, paper="yu2021")
    away = [
        asdict(e) | {"val_accuracy": t + (2 if e.epoch > 5 else 9)} for e, t in zip(run.history, theirs, strict=True)
    ]
    run = run_of(experiment, 0, paper="yu2021", history=away)
    assert samples.read(run, Quantity(yu2021.LOG_DISTANCE, experiment.name)) == pytest.approx(2)

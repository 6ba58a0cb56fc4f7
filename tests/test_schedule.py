"""Learning rates at the points that the papers name."""

from dataclasses import replace

import numpy as np
import pytest

from sepconv.papers import paper
from sepconv.spec import Budget, EpochDecay, Scale, SpecError, Triangular
from sepconv.training.schedule import learning_rates


def recipe(key, experiment):
    return paper(key).experiment(experiment).recipe


def test_constant_is_the_same_at_every_step():
    rates = learning_rates(recipe("tseng2020", "conv"), epochs=3, steps_per_epoch=4)
    assert rates.shape == (3, 4)
    assert set(rates.ravel()) == {1e-3}


def test_epoch_decay_multiplies_once_an_epoch():
    decaying = replace(recipe("tseng2020", "conv"), schedule=EpochDecay(0.0125, 0.95))
    rates = learning_rates(decaying, epochs=100, steps_per_epoch=2)
    assert rates[0].tolist() == [0.0125, 0.0125]
    assert rates[1, 0] == pytest.approx(0.0125 * 0.95)
    assert rates[-1, 1] == pytest.approx(0.0125 * 0.95**99)


def test_warm_up_reaches_its_peak_after_five_epochs_and_its_end_at_the_last_step():
    rates = learning_rates(recipe("islam2022", "small"), epochs=300, steps_per_epoch=98)
    assert rates[0, 0] == pytest.approx(1e-5)
    assert rates[5, 0] == pytest.approx(0.01) == rates.max()
    assert rates[-1, -1] == pytest.approx(5e-5)
    after = rates[5:].ravel()
    assert after[1:] / after[:-1] == pytest.approx(after[1] / after[0])  # exponential: one ratio throughout


@pytest.mark.parametrize(
    ("experiment", "epochs", "decay"),
    [("cifar10-dw", 100, 0.95), ("cifar10-conv", 50, 0.9), ("cifar100-dw", 270, 0.99), ("cifar100-conv", 50, 0.95)],
)
def test_schedules_of_yu2021_start_and_end_as_its_notebooks_do(experiment, epochs, decay):
    decaying = recipe("yu2021", experiment)
    assert decaying.epochs == epochs
    rates = learning_rates(decaying, epochs, steps_per_epoch=196)
    assert rates[0, 0] == 0.0125
    assert rates[-1, -1] == pytest.approx(0.0125 * decay ** (epochs - 1))


def test_the_ablations_of_islam2022_have_the_papers_schedule():
    assert recipe("islam2022", "small-k3").schedule == recipe("islam2022", "small").schedule


def test_a_smoke_run_keeps_the_shape_of_a_warm_up_schedule():
    rates = learning_rates(recipe("islam2022", "small"), epochs=60, steps_per_epoch=98)
    assert rates.argmax() == 98  # five of 300 epochs are one of 60
    assert rates[-1, -1] == pytest.approx(5e-5)


def test_triangle_rises_to_its_peak_at_its_share_of_the_steps_and_ends_at_its_last():
    triangular = replace(recipe("tseng2020", "conv"), schedule=Triangular(0.5, start=0.2, rise=0.25, end=0.1))
    rates = learning_rates(triangular, epochs=3, steps_per_epoch=7).ravel()
    assert (rates[0], rates[5], rates[20]) == pytest.approx((0.1, 0.5, 0.05))
    assert np.diff(rates[:6]) == pytest.approx(5 * [0.08])
    assert np.diff(rates[5:]) == pytest.approx(15 * [-0.03])


def test_triangle_of_a_shorter_run_ends_where_the_whole_ends():
    triangular = replace(recipe("tseng2020", "conv"), schedule=Triangular(0.4))
    for epochs in (2, 10):
        rates = learning_rates(triangular, epochs, steps_per_epoch=98).ravel()
        assert (rates[0], rates[-1]) == pytest.approx((0.08, 0.028))
        assert rates.argmax() / len(rates) == pytest.approx(0.23, abs=0.01)


# --- compressed ------------------------------------------------------------------------------------------------------

SHORT_EPOCHS = {
    ("tseng2020", "conv"): 8,
    ("tseng2020", "da-dsc"): 8,
    ("islam2022", "small"): 5,
    ("islam2022", "small-batch-128"): 5,
    ("yu2021", "cifar10-dw"): 5,
    ("yu2021", "cifar10-conv"): 3,
    ("yu2021", "cifar100-dw"): 14,
    ("yu2021", "cifar100-conv"): 3,
}


@pytest.mark.parametrize(("place", "epochs"), SHORT_EPOCHS.items(), ids=str)
def test_shortened_schedules_start_and_end_where_the_papers_do(place, epochs):
    experiment = paper(place[0]).experiment(place[1])
    whole = learning_rates(experiment.recipe, experiment.recipe.epochs, steps_per_epoch=7)
    for budget, expected in ((Budget.SHORT, epochs), (Budget.DOUBLE, 2 * epochs)):
        compressed = experiment.recipe_at(budget)
        assert compressed.epochs == experiment.scale(budget).epochs == expected
        assert experiment.scale(budget) == Scale(expected, experiment.recipe.train_images, 10_000)
        rates = learning_rates(compressed, expected, steps_per_epoch=7)
        assert (rates[0, 0], rates.max(), rates[-1, -1]) == pytest.approx((whole[0, 0], whole.max(), whole[-1, -1]))


def test_a_compressed_warm_up_keeps_its_share_of_epochs_and_at_least_one():
    small = recipe("islam2022", "small")
    warm_ups = {epochs: small.compressed(epochs).schedule.warmup_epochs for epochs in (300, 120, 30, 5)}
    assert warm_ups == {300: 5, 120: 2, 30: 1, 5: 1}
    without = replace(small, schedule=replace(small.schedule, warmup_epochs=0))
    assert without.compressed(5).schedule.warmup_epochs == 0


def test_a_compressed_decay_is_the_power_that_keeps_its_last_rate():
    schedule = recipe("yu2021", "cifar10-conv").compressed(3).schedule
    assert (schedule.learning_rate, schedule.decay) == (0.0125, pytest.approx(0.9 ** (49 / 2)))


@pytest.mark.parametrize("epochs", [1, 101])
def test_what_cannot_be_compressed_says_so_in_one_line(epochs):
    with pytest.raises(SpecError, match=f"^expected 2 to 100 epochs to compress the schedule to, got {epochs}$"):
        recipe("tseng2020", "conv").compressed(epochs)

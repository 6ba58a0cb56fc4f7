"""Tidy frames hold what the results hold, row by row."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from factories import ENVIRONMENT, cost_of, latency_of, result_of, roofline_of, runs_of, throughput_of
from sepconv import papers
from sepconv.measuring import roofline
from sepconv.report import frames
from sepconv.results.records import BatchTime, CostResult, Final, LatencyResult, Layer, Reestimated, Stretch
from sepconv.results.store import Results, read_all
from sepconv.spec import Budget, Run, SpecError

TSENG, YU = papers.paper("tseng2020"), papers.paper("yu2021")
BOTH = (Budget.PAPER, Budget.SHORT)
COMMITTED = read_all(Path(__file__).parents[1] / "results")


def run(name, seed=0, budget=Budget.SHORT, paper=TSENG, accuracy=50.0, **more):
    result = result_of(Run(paper.key, paper.experiment(name), budget, seed), **more)
    final = Final(train_accuracy=accuracy + 5, val_accuracy=accuracy, test_accuracy=accuracy, test_loss=1)
    return result.model_copy(update={"final": final})


def layer(name, type, filter_shape, mult_adds=1):
    return Layer(
        name=name, type=type, stride=1, filter_shape=filter_shape, input_shape=(8, 8, 4), output_shape=(8, 8, 4),
        params=10, mult_adds=mult_adds,
    )  # fmt: skip


def cost(paper, name, *layers, **counts):
    names = ("num_params", "trainable_params", "mult_adds", "weighted_layers", "weight_bytes",
             "activation_bytes", "training_step_bytes")  # fmt: skip
    return CostResult(
        paper=paper, experiment=name, network={}, batch_size=4, layers=layers, **(dict.fromkeys(names, 1) | counts)
    )


def test_budgets_shown():
    assert frames.shown("paper") == (Budget.PAPER, Budget.DOUBLE, Budget.SHORT)
    assert frames.shown("short") == (Budget.SHORT,)
    assert frames.shown("smoke") == (Budget.SMOKE,)
    with pytest.raises(SpecError, match="papr"):
        frames.shown("papr")


def test_history_has_every_epoch_of_every_run():
    results = Results(runs=(run("conv", 1), run("conv", 0), run("dsc"), run("da-conv")))
    frame = frames.history(TSENG, results, {"dsc": "Sep", "conv": "Conv"}, BOTH)
    epochs = TSENG.experiment("conv").short_epochs
    assert list(frame.columns) == list(frames.HISTORY)
    assert list(frame["network"]) == ["Sep"] * epochs + ["Conv"] * 2 * epochs
    assert list(frame["seed"]) == [0] * 2 * epochs + [1] * epochs
    assert list(frame["epoch"]) == 3 * list(range(1, epochs + 1))
    assert set(frame["schedule"]) == {"8 epochs of 40,000 images"}


def test_paper_budget_comes_first_and_smoke_not_at_all():
    results = Results(runs=(run("conv"), run("conv", budget=Budget.PAPER), run("conv", budget=Budget.SMOKE)))
    frame = frames.history(TSENG, results, {"conv": "Conv"}, BOTH)
    assert list(dict.fromkeys(frame["budget"])) == ["paper", "short"]


def test_a_run_of_another_recipe_is_left_out():
    old = run("conv").model_copy(update={"run_id": "0" * 16})
    assert frames.history(TSENG, Results(runs=(old,)), {"conv": "Conv"}, BOTH).empty


def test_log_has_the_names_of_our_columns():
    log = frames.log(YU, "cifar10-dw")
    assert len(log) == YU.experiment("cifar10-dw").recipe.epochs
    assert log["val_accuracy"].iloc[-1] == 89.86  # the last line of the notebook's output
    for paper, name in ((YU, "nothing"), (TSENG, "conv")):
        with pytest.raises(SpecError, match="log"):
            frames.log(paper, name)


def test_logs_of_several_experiments_have_the_columns_of_a_history():
    logged = frames.logged(YU, {"cifar10-dw": "DepthwiseConvNet", "cifar10-conv": "ConvNet"})
    assert list(logged) == list(frames.HISTORY)
    assert logged.groupby("network")["val_accuracy"].last().to_dict() == {"ConvNet": 88.34, "DepthwiseConvNet": 89.86}
    assert len(logged) == 150


def test_lead_in_a_log_at_equal_epochs_and_at_equal_time(monkeypatch):
    epochs = {"a": [(10, 50.0), (10, 60.0), (10, 70.0), (10, 80.0)], "b": [(21, 55.0), (20, 75.0)]}
    rows = [
        {"experiment": name, "epoch": n, "train_seconds": s - 1, "test_seconds": 1, "test_accuracy": accuracy}
        for name, of in epochs.items()
        for n, (s, accuracy) in enumerate(of, 1)
    ]
    monkeypatch.setattr(papers, "training_log", lambda _: pd.DataFrame(rows))
    leads = frames.log_leads(YU, [("a", "b")]).set_index(["held_equal", "other_epoch"])
    assert leads.loc["epochs", "lead"].to_dict() == {1: -5.0, 2: -15.0}
    assert leads.loc["seconds", "epoch"].to_dict() == {1: 2, 2: 4}  # after 21 and 41 seconds
    assert leads.loc["seconds", "lead"].to_dict() == {1: 5.0, 2: 5.0}


def test_epoch_that_the_leading_network_has_not_ended_is_left_out(monkeypatch):
    rows = [
        {"experiment": name, "epoch": n, "train_seconds": s, "test_seconds": 0, "test_accuracy": 50.0}
        for name, s in (("a", 30), ("b", 20))
        for n in (1, 2)
    ]
    monkeypatch.setattr(papers, "training_log", lambda _: pd.DataFrame(rows))
    leads = frames.log_leads(YU, [("a", "b")])
    assert leads[leads["held_equal"] == "seconds"][["epoch", "other_epoch"]].values.tolist() == [[1, 2]]


def test_accuracies_are_means_with_an_interval_of_student():
    results = Results(runs=tuple(run("conv", seed, accuracy=50.0 + seed) for seed in range(3)))
    (row,) = frames.accuracies(TSENG, results, ["conv", "dsc"], BOTH).to_dict("records")
    assert (row["experiment"], row["budget"], row["seeds"], row["test_accuracy"]) == ("conv", "short", 3, 51)
    assert row["test_accuracy_high"] == pytest.approx(51 + 4.302653 * 1 / 3**0.5)  # t(0.975, 2)
    assert frames.accuracy_text(TSENG, results, "conv", "train_accuracy", BOTH) == "56.0 ± 2.5 % (budget short, n = 3)"
    assert frames.accuracy_text(TSENG, results, "dsc", "train_accuracy", BOTH) == "not run"
    two = Results(runs=results.runs[:2])
    assert frames.accuracy_text(TSENG, two, "conv", "test_accuracy", BOTH) == "50.5 % (budget short, n = 2)"


def test_costs_take_the_largest_budget():
    counted = (
        cost("tseng2020", "conv", num_params=7),
        cost("tseng2020", "da-dsc", layer("a", "DepthwiseConv2D", (3, 3, 4, 1))),
        cost("tseng2020", "dsc"),
    )
    ran = (run("conv", accuracy=40.0), run("conv", budget=Budget.PAPER, accuracy=80.0), run("da-dsc", accuracy=30.0))
    first, second = frames.costs([TSENG], Results(runs=ran, costs=counted), BOTH).to_dict("records")
    assert (first["experiment"], first["budget"], first["accuracy"], first["num_params"]) == ("conv", "paper", 80, 7)
    assert (first["group"], first["convolution"]) == ("tseng2020, CIFAR-10", "standard")
    assert (second["group"], second["convolution"]) == ("tseng2020, CIFAR-10, augmented", "depthwise separable")


def test_accuracies_of_shortened_runs_are_those_with_re_estimated_batch_norm():
    counted = (cost("tseng2020", "dsc"),)
    for budget, expected in ((Budget.SHORT, 80), (Budget.PAPER, 50)):
        ran = run("dsc", budget=budget)
        final = ran.final.model_copy(update={"reestimated": Reestimated(val_accuracy=79, test_accuracy=80)})
        results = Results(runs=(ran.model_copy(update={"final": final}),), costs=counted)
        assert list(frames.costs([TSENG], results, [budget])["accuracy"]) == [expected]
        assert list(frames.accuracies(TSENG, results, ["dsc"], [budget])["test_accuracy"]) == [expected]


def test_costs_leave_out_what_is_no_network_of_its_own():
    counted = (cost("tseng2020", "conv"), cost("tseng2020", "conv-bf16"))
    frame = frames.costs([TSENG], Results(runs=(run("conv"), run("conv-bf16")), costs=counted), BOTH)
    assert list(frame["experiment"]) == ["conv"]


def twins(*accuracies, seeds=None):
    """Runs of Conv at 60 % and of its twin in bfloat16 at these accuracies, in the rows of the budget short."""
    seeds = seeds or range(len(accuracies))
    ran = [run("conv", seed, accuracy=60) for seed in range(4)]
    ran += [run("conv-bf16", seed, accuracy=a) for seed, a in zip(seeds, accuracies, strict=True)]
    (row,) = (
        frames.precisions([TSENG], Results(runs=tuple(ran)), [Budget.SHORT]).query("other == 'conv-bf16'").itertuples()
    )
    return row


def test_experiments_that_differ_in_precision_only_are_held_against_each_other():
    frame = frames.precisions(papers.all_papers(), Results(), BOTH)
    pairs = [("conv", "conv-bf16"), ("dsc", "dsc-bf16")]
    assert list(frame[["experiment", "other"]].itertuples(index=False, name=None)) == [p for p in pairs for _ in BOTH]
    assert set(frame["seeds"]) == {0}
    assert set(frame["verdict"]) == {"not decided yet"}


@pytest.mark.parametrize(
    ("accuracies", "verdict"),
    [
        ((60.1, 60.2, 60.3), "no difference that matters"),
        ((64.1, 64.2, 64.3), "differs"),
        ((55.1, 55.2, 55.3), "differs"),
        ((60, 61, 62), "not decided yet"),
        ((60.1, 60.2), "not decided yet"),
    ],
)
def test_a_precision_matters_where_the_interval_says_so(accuracies, verdict):
    row = twins(*accuracies)
    assert row.verdict == verdict
    assert row.seeds == len(accuracies)
    assert row.difference == pytest.approx(sum(accuracies) / len(accuracies) - 60)
    assert pd.isna(row.low) == (len(accuracies) < 3)


def test_precisions_are_compared_over_equal_seeds():
    row = twins(70, 61, seeds=(9, 1))
    assert (row.seeds, row.reference, row.accuracy) == (1, 60, 61)


def test_a_repeat_is_equal_to_the_last_bit_or_says_how_far_apart():
    first = run("conv")
    history = (replace(first.history[0], val_loss=1.85, val_accuracy=48), *first.history[1:])
    other = first.model_copy(update={"history": history, "environment": ENVIRONMENT.model_copy(update={"cores": 9})})
    slower = first.model_copy(update={"seconds": first.seconds.model_copy(update={"train": 99})})
    (equal,), (apart,) = (
        frames.repeats(Results(runs=(first, run("dsc"))), Results(runs=(again, run("conv", 1)))).to_dict("records")
        for again in (slower, other)
    )
    assert equal == {
        "run": first.key, "same_machine": True, "same_code": True, "equal": True, "accuracy": 0, "loss": 0
    }  # fmt: skip
    assert (apart["equal"], apart["same_machine"], apart["accuracy"]) == (False, False, 2)
    assert apart["loss"] == pytest.approx(0.25)


def test_a_run_of_another_recipe_is_no_repeat():
    other = run("conv").model_copy(update={"run_id": "0" * 16})
    assert frames.repeats(Results(runs=(run("conv"),)), Results(runs=(other,))).empty


def test_intensity_of_convolutions_by_kind_and_place():
    network = cost(
        "yu2021", "cifar10-dw",
        layer("stem_conv", "Conv2D", (3, 3, 3, 4)),
        layer("block1_depthwise_conv", "DepthwiseConv2D", (3, 3, 4, 1), mult_adds=5),
        layer("block1_bn", "BatchNormalization", ()),
        layer("block1_pointwise_conv", "Conv2D", (1, 1, 4, 4)),
    )  # fmt: skip
    frame = frames.intensity({"A": network}, batch_size=2)
    assert list(frame["convolution"]) == ["standard", "depthwise", "pointwise"]
    assert list(frame["layer"]) == [1, 2, 2]
    assert frame["intensity"][1] == pytest.approx(2 * 2 * 5 / (4 * (2 * 512 + 10)))


def test_ratios_reported_and_measured():
    printed = pd.DataFrame(
        [
            ("epoch", "epoch_seconds", "cifar100", "30", "15"),
            ("all epochs", "total_seconds", "cifar100", "10", "20"),
            ("test set", "latency_4", "cifar10", "4", "5"),
            ("training set", "", "cifar10", "6", "5"),
        ],
        columns=["what", "metric", "dataset", "conv", "dw"],
    )
    ran = [run(f"cifar100-{name}", paper=YU, train_seconds=s) for name, s in (("conv", 6), ("dw", 4))]
    passes = [
        LatencyResult(
            paper="yu2021", experiment=f"cifar10-{name}", budget=Budget.PAPER, images=10_000, batch_norm="training",
            transfer="host", seconds={4: seconds}, environment=ENVIRONMENT,
        )
        for name, seconds in (("conv", (8, 9)), ("dw", (10, 10)))
    ]  # fmt: skip
    frame = frames.ratios(YU, Results(runs=tuple(ran), latencies=tuple(passes)), printed, BOTH)
    assert [tuple(row) for row in frame.round(6).itertuples(index=False)] == [
        ("epoch", "reported", 2),
        ("epoch", "ours, budget short, cpu", 1.5),
        ("all epochs", "reported", 0.5),  # and none of ours: a shorter budget has another ratio of epochs
        ("test set", "reported", 0.8),
        ("test set", "ours, budget paper, cpu", 0.8),
        ("test set", "ours, budget paper, cpu", 0.9),
        ("training set", "reported", 1.2),
    ]


# --- pairs -----------------------------------------------------------------------------------------------------------

CONV, DSC = (TSENG.experiment(name) for name in ("conv", "dsc"))


def of_pair(results, quantity, pair="tseng2020, CIFAR-10"):
    """Machine and value of each row."""
    frame = frames.papers_ratios(results)
    found = frame[(frame["pair"] == pair) & (frame["quantity"] == quantity)]
    return list(found[["machine", "value"]].itertuples(index=False, name=None))


def test_the_papers_pairs_are_compared_separable_against_standard():
    counted = [cost_of(CONV, "tseng2020", num_params=400, mult_adds=10), cost_of(DSC, "tseng2020", mult_adds=25)]
    frame = frames.papers_ratios(Results(costs=tuple(counted)))
    assert list(dict.fromkeys(frame["pair"])) == ["tseng2020, CIFAR-10", "yu2021, CIFAR-10", "yu2021, CIFAR-100"]
    ours = frame[frame["pair"] == "tseng2020, CIFAR-10"].set_index("quantity")["value"]
    assert ours[["weights", "mult-adds", "memory of a training step"]].tolist() == pytest.approx([0.25, 2.5, 1])
    assert frame[frame["pair"] != "tseng2020, CIFAR-10"]["value"].isna().all()
    assert set(frame["unit"]) == {"×", "points"}


def test_the_papers_pairs_have_the_paired_difference_of_their_accuracies():
    ran = [*runs_of(CONV, (70, 71, 72), paper="tseng2020"), *runs_of(DSC, (72, 73, 77), paper="tseng2020")]
    row = frames.papers_ratios(Results(runs=tuple(ran))).query("unit == 'points'").iloc[0]
    assert (row["value"], row["seeds"]) == (3, 3)
    assert (row["low"], row["high"]) == pytest.approx((3 - 4.302653, 3 + 4.302653))  # t(0.975, 2) × √3 / √3
    two = frames.papers_ratios(Results(runs=(*ran[:2], *ran[3:5]))).query("unit == 'points'").iloc[0]
    assert (two["value"], two["seeds"]) == (2, 2)
    assert pd.isna(two["low"])


def test_training_times_are_compared_on_one_machine_and_taken_in_one_way():
    loops = [throughput_of((2.0,) * 3, "dsc"), throughput_of((1.0,) * 3, "conv", images=512)]
    assert of_pair(Results(throughputs=tuple(loops)), "training time") == [("cpu, 2 cores", 4)]
    elsewhere = throughput_of((1.0,) * 3, "conv", device="another")
    assert of_pair(Results(throughputs=(loops[0], elsewhere)), "training time") == []
    epochs = [result_of(Run("tseng2020", e, Budget.PAPER, 0), seconds) for e, seconds in ((CONV, 2.0), (DSC, 6.0))]
    assert of_pair(Results(runs=tuple(epochs)), "training time") == [("cpu, 2 cores", 3)]
    assert of_pair(Results(runs=(epochs[0],), throughputs=(loops[0],)), "training time") == []
    assert of_pair(Results(runs=tuple(epochs), throughputs=tuple(loops)), "training time") == [("cpu, 2 cores", 4)]


def test_epochs_of_a_run_that_changed_machines_are_no_training_time():
    conv, dsc = (result_of(Run("tseng2020", e, Budget.PAPER, 0)) for e in (CONV, DSC))
    there = ENVIRONMENT.model_copy(update={"device": "another"})
    stretches = [Stretch(first_epoch=epoch, environment=on) for epoch, on in ((1, there), (50, dsc.environment))]
    moved = dsc.model_copy(update={"stretches": tuple(stretches)})
    assert of_pair(Results(runs=(conv, moved)), "training time") == []
    stayed = dsc.model_copy(update={"stretches": (stretches[1], stretches[1])})
    assert of_pair(Results(runs=(conv, stayed)), "training time") == [("cpu, 2 cores", 1)]


def plain_latency(experiment, paper, milliseconds, **machine):
    """In inference mode, of images on the device."""
    times = {size: BatchTime(p50=p50, p95=p50, batches=9) for size, p50 in milliseconds.items()}
    latency = latency_of(experiment, [1.0], paper, ("inference", "device"), tuple(milliseconds), **machine)
    return latency.model_copy(update={"batch_times": times})


def test_inference_times_are_of_one_batch_size_on_one_machine():
    times = [plain_latency(CONV, "tseng2020", {4: 9.0, 64: 10.0}), plain_latency(DSC, "tseng2020", {64: 40.0})]
    assert of_pair(Results(latencies=tuple(times)), "inference time") == [("H200, JAX", 4)]
    slow = plain_latency(DSC, "tseng2020", {64: 40.0}, device="A10")
    assert of_pair(Results(latencies=(times[0], slow)), "inference time") == []


def test_rooflines_prediction_stands_beside_what_was_measured_and_reported():
    first, second = (
        cost("yu2021", f"cifar10-{name}", layer("a", "Conv2D", (3, 3, 4, 4), mult_adds=10 * n))
        for n, name in ((9, "conv"), (1, "dw"))
    )
    networks = [(YU.experiment(f"cifar10-{name}"), p50) for name, p50 in (("conv", 6.0), ("dw", 2.0))]
    times = [plain_latency(e, "yu2021", {4: p50, 64: p50}, device="cpu", accelerator=False) for e, p50 in networks]
    here = [latency.model_copy(update={"environment": ENVIRONMENT}) for latency in times]
    printed = pd.DataFrame(
        [("epoch_seconds", "30", "15"), ("latency_4", "4", "5"), ("latency_256", "9", "3")],
        columns=["metric", "conv", "dw"],
    )
    results = Results(latencies=tuple(here), rooflines=(roofline_of(),))
    frame = frames.roofline_ratios(first, second, (4, 8), [1.0, 10.0], results, printed)
    predicted = frame[frame["source"] == "predicted"]
    assert list(predicted["ratio"]) == [roofline.time_ratio(first, second, n, b) for n in (4, 8) for b in (1, 10)]
    measured, reported = frame[frame["source"] != "predicted"].to_dict("records")
    assert measured == {"source": "measured on cpu, 2 cores", "batch_size": 4, "balance": pytest.approx(10), "ratio": 3}
    assert (reported["source"], reported["batch_size"], reported["ratio"]) == ("reported", 4, 0.8)
    other = Results(latencies=tuple(times), rooflines=(roofline_of(),))  # measured through another backend
    assert "measured" not in " ".join(frames.roofline_ratios(first, second, (4,), [1.0], other, printed)["source"])


def test_more_seeds_and_larger_differences_are_decided_more_often():
    frame = frames.power([0.5, 2], noise=0.6, seeds=[3, 10], simulations=500)
    share = frame.set_index(["margin", "seeds"])["decided"]
    assert set(frame["check"]) == {"one order"}
    assert share[0.5, 3] < share[0.5, 10] < share[2, 10]


def test_systems_of_our_runs():
    other = ENVIRONMENT.model_copy(update={"device": "Intel(R) Xeon(R)"})
    runs = (run("conv"), run("dsc"), run("dsc").model_copy(update={"environment": other}))
    found = frames.systems(TSENG, Results(runs=runs))
    assert found["Graphics card"] == "none, but Intel Xeon and cpu"
    assert found["Development environment"] == "Keras 3.15.1, tensorflow 2.21.0"
    assert frames.systems(YU, Results(runs=(run("conv"),)))["Graphics card"] == "no run yet"


def test_save_writes_beside_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame({"a": [1 / 3], "b": ["x, y"]})
    assert frames.save(frame, "name") is frame
    assert (tmp_path / "data" / "name.csv").read_bytes() == b'a,b\n0.333333,"x, y"\n'


def test_layers_of_networks():
    frame = frames.layers(
        cost("yu2021", "cifar10-dw", layer("a", "Conv2D", (3, 3, 3, 4))), cost("yu2021", "cifar10-conv")
    )
    assert frame[["experiment", "name", "params"]].to_dict("records") == [
        {"experiment": "cifar10-dw", "name": "a", "params": 10}
    ]


def test_counts_are_those_of_the_results():
    frame = frames.counts(TSENG, COMMITTED).set_index("experiment")
    assert list(frame.index) == [e.name for e in TSENG.experiments]
    assert frame.loc["dsc", "num_params"] == 1_094_538
    assert list(frame.columns) == ["paper", *frames.networks.COUNTS]


def test_padded_copies_add_what_the_comparison_with_autograd_found():
    """17 % and 28 % of the other activations; by hand, of the inputs padded by one pixel on each side."""
    by_hand = 4 * 256 * sum((size + 2) ** 2 * channels for size, channels in ((64, 64), (32, 128), (16, 256), (8, 512)))
    for name, share in {"cifar10-dw": 0.17, "cifar10-conv": 0.28}.items():
        cost = COMMITTED.cost_of("yu2021", name)
        assert frames.padded_bytes(cost) == by_hand
        assert by_hand / (cost.activation_bytes - by_hand) == pytest.approx(share, abs=0.005)


def test_every_run_has_a_row_and_a_diverged_one_no_accuracy():
    diverged = run("dsc").model_copy(update={"status": "diverged", "final": None})
    frame = frames.all_runs(Results(runs=(diverged, run("conv")))).set_index("run")
    assert list(frame.reset_index().columns) == list(frames.runs.RUNS)
    assert list(frame["status"]) == ["complete", "diverged"]  # by key
    assert frame["test_accuracy"].notna().tolist() == [True, False]
    assert frame["minutes"].iloc[0] == pytest.approx(sum(run("conv").seconds.model_dump().values()) / 60)

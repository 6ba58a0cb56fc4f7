"""Specs refuse what cannot be, and a run's identity follows from what determines its numbers."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from sepconv.metrics import Metric
from sepconv.papers import paper
from sepconv.spec import (
    Agreement,
    Basis,
    Budget,
    Claim,
    Consistent,
    Constant,
    Departure,
    DifferenceWithin,
    EpochDecay,
    Equal,
    Experiment,
    Network,
    Number,
    Optimizer,
    Ordered,
    Pair,
    Paper,
    Quantity,
    RatioWithin,
    Recipe,
    Run,
    Scale,
    SpecError,
    Within,
    above,
    agreement,
    canonical_json,
    consistent,
    difference_within,
    equal,
    every,
    higher,
    highest,
    increasing,
    ratio_within,
    to_json,
    within,
)

RECIPE = Recipe(
    epochs=7,
    batch_size=32,
    optimizer=Optimizer("adam"),
    schedule=Constant(1e-3),
    normalisation="unit",
    train_images=45_000,
    sources={
        "epochs": "Sec. 1",
        "batch_size": "Sec. 1",
        "optimizer": "Sec. 1",
        "schedule": "Sec. 1",
        "normalisation": "Sec. 1",
        "train_images": "Sec. 1",
        "augment": "Sec. 1",
        "label_smoothing": "Sec. 1",
        "precision": "Sec. 1",
    },
)
EXPERIMENT = Experiment("a", Network("tseng.conv"), "cifar10", RECIPE, short_epochs=2, note="Table 1")
COUNTED = Experiment("counted", Network("reference.vgg19"), "imagenet")
A, B = Quantity("test_accuracy", "a"), Quantity("test_accuracy", "b")
COUNT = Quantity("num_params", "a")


def claim(check=None, of="a", **fields):
    check = check or higher("test_accuracy", of=of, than="counted")
    return Claim("p.x", "quote", "Sec. 1", check, "reported", **fields)


def make_paper(experiments=(EXPERIMENT, COUNTED), claims=()):
    return Paper("p", "Title", "Authors", 2020, "Venue", "", "GPU", tuple(experiments), tuple(claims))


# --- what is refused -------------------------------------------------------------------------------------------------


def test_misspelt_field():
    with pytest.raises(ValidationError, match="batchsize"):
        Scale(epochs=1, train_images=1, evaluate_images=1, batchsize=3)


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0},
        {"batch_size": -1},
        {"train_images": 50_001},
        {"label_smoothing": 1.0},
        {"normalisation": "cifar"},
        {"augment": (("mirror",),)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_recipe_out_of_range(change):
    with pytest.raises(ValidationError):
        replace(RECIPE, **change)


def test_hyperparameter_without_source():
    sources = {field: source for field, source in RECIPE.sources.items() if field != "schedule"}
    with pytest.raises(SpecError, match=r"sources must name each hyperparameter once: expected .*schedule"):
        replace(RECIPE, sources=sources)


def test_source_of_what_is_no_hyperparameter():
    with pytest.raises(SpecError, match=r"got .*learning_rate"):
        replace(RECIPE, sources=RECIPE.sources | {"learning_rate": "Sec. 1"})


def test_name_that_is_no_slug():
    with pytest.raises(ValidationError):
        replace(EXPERIMENT, name="A/b")


def test_number_that_is_not_finite():
    with pytest.raises(ValidationError):
        Number("x", float("nan"))


def test_unknown_metric_lists_the_known():
    with pytest.raises(SpecError, match=r"unknown metric: expected .*num_params.*; got accuracy"):
        Quantity("accuracy", "a")


@pytest.mark.parametrize("name", ["latency_0", "latency_", "latency_4.5", "latency"])
def test_a_latency_at_no_batch_size_is_unknown(name):
    with pytest.raises(SpecError, match=rf"unknown metric: expected .*latency_N for a batch size N, .*; got {name}$"):
        Quantity(name, "a")


OWN = Metric("own_count", "layers", "cost", lambda cost: len(cost.layers))


def test_a_metric_that_the_paper_does_not_state_is_refused():
    owning = claim(Equal(Quantity(OWN, "a"), 3))
    with pytest.raises(SpecError, match=r"p.x: unknown metric: expected .*num_params.*; got own_count$"):
        make_paper(claims=[owning])
    stated = to_json(replace(make_paper(), claims=(owning,), metrics=(OWN,)))
    assert stated["metrics"] == [{"name": "own_count", "unit": "layers", "words": "own count"}]
    assert stated["claims"][0]["check"]["quantity"]["metric"] == "own_count"


def test_a_departure_affects_known_metrics_and_those_of_the_papers_own():
    departure = Departure("padding", "none", "same", "so", affects=("num_params", "latency_8", "own_count"))
    assert replace(make_paper(), metrics=(OWN,), departures=(departure,)).departures == (departure,)
    with pytest.raises(SpecError, match=r"departure 'padding': unknown metric: expected .*; got own_count$"):
        replace(make_paper(), departures=(departure,))


def test_unknown_experiment_in_a_claim_lists_the_known():
    with pytest.raises(SpecError, match=r"p.x: unknown experiment: expected a, counted; got b"):
        make_paper(claims=[claim(of="b")])


def test_unknown_experiment_lists_the_known():
    with pytest.raises(SpecError, match=r"p: unknown experiment: expected a, counted; got b"):
        make_paper().experiment("b")


def test_two_experiments_of_one_name():
    with pytest.raises(SpecError, match="experiment names must differ"):
        make_paper(experiments=[EXPERIMENT, EXPERIMENT])


def test_two_experiments_of_one_label():
    labelled = replace(EXPERIMENT, label="Conv")
    with pytest.raises(SpecError, match="experiment labels must differ: expected Conv; got Conv, Conv"):
        make_paper(experiments=[labelled, replace(labelled, name="b")])


def test_label_that_is_the_name_of_another_experiment():
    with pytest.raises(SpecError, match="experiment labels must differ"):
        make_paper(experiments=[EXPERIMENT, replace(COUNTED, label="a")])


def test_two_claims_of_one_id():
    with pytest.raises(SpecError, match="claim ids must differ"):
        make_paper(claims=[claim(), claim()])


def test_claim_of_another_paper():
    with pytest.raises(SpecError, match=r"claim ids begin with the paper: expected p; got q\.x"):
        make_paper(claims=[replace(claim(), id="q.x")])


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        ("exact", Within((A,), 0, 1)),
        ("value", Ordered((Pair(A, B),))),
        ("order", Within((A,), 0, 1)),
        ("ratio", DifferenceWithin(Pair(A, B), 0, 1)),
        ("internal", Equal(A, 1)),
        ("quoted", RatioWithin(Pair(A, B), 0, 1)),
    ],
)
def test_wrong_check_for_a_kind(kind, check):
    with pytest.raises(SpecError, match=f"p.x: kind of a claim whose check is {type(check).__name__}: .*; got {kind}"):
        claim(check, kind=kind)


@pytest.mark.parametrize(
    ("check", "kind"),
    [
        (Equal(A, 1), "exact"),
        (Within((A,), 0, 1), "value"),
        (DifferenceWithin(Pair(A, B), 0, 1), "value"),
        (Ordered((Pair(A, B),)), "order"),
        (RatioWithin(Pair(A, B), 0, 1), "ratio"),
        (Consistent((Agreement(A, B),)), "internal"),
    ],
)
def test_kind_follows_from_the_check(check, kind):
    assert claim(check).kind == kind
    assert to_json(claim(check))["kind"] == kind


def test_kind_is_stated_where_it_differs():
    assert claim(Equal(A, 1), kind="quoted").kind == "quoted"
    assert claim(Consistent((Agreement(A, B),)), kind="exact").kind == "exact"


@pytest.mark.parametrize(
    "check", [Within((A,), 2, 1), DifferenceWithin(Pair(A, B), 2, 1), RatioWithin(Pair(A, B), 2, 1)]
)
def test_interval_the_wrong_way_round(check):
    with pytest.raises(SpecError, match=r"p.x: expected low <= high, got \[2.0, 1.0\]"):
        claim(check)


@pytest.mark.parametrize(
    ("pairs", "circle"),
    [
        ((Pair(A, A),), "test_accuracy of a > test_accuracy of a"),
        (
            (Pair(A, B), Pair(B, COUNT), Pair(COUNT, A)),
            "test_accuracy of a > test_accuracy of b > num_params of a > test_accuracy of a",
        ),
    ],
)
def test_order_that_goes_round(pairs, circle):
    with pytest.raises(SpecError, match=f"expected an order that can hold, got {circle}$"):
        Ordered(pairs)


@pytest.mark.parametrize("check", [lambda: Within((), 0, 1), lambda: Ordered(()), lambda: Consistent(())])
def test_check_of_nothing(check):
    with pytest.raises(ValidationError, match="at least 1 item"):
        check()


def test_ratio_that_no_time_can_have():
    with pytest.raises(ValidationError, match="greater than 0"):
        RatioWithin(Pair(A, B), 0, 0)


def test_epochs_begin_with_1():
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        Quantity("val_accuracy", "a", epoch=0)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def places(value, path=()):
    """Where every part of a JSON value stands in it."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*path, key))


def changed(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], new)
    return copy


EXPORTED = to_json(make_paper(claims=[claim(), replace(claim(Within((A, B), 0, 1)), id="p.y")],
                              experiments=[EXPERIMENT, COUNTED, replace(EXPERIMENT, name="b")]))  # fmt: skip


@settings(max_examples=300)
@given(st.sampled_from(sorted(places(EXPORTED), key=str)), json_values)
def test_whatever_is_changed_in_a_paper_it_is_refused_or_can_be_exported(path, new):
    """Read as a paper module is: in Python, so that types are checked and nothing is taken on trust."""
    read = read_or_refuse(changed(EXPORTED, path, new))
    assert read is None or canonical_json(to_json(read))


def read_or_refuse(content):
    """The paper, or None where it is refused; what we refuse ourselves is one line."""
    try:
        return TypeAdapter(Paper).validate_python(content)
    except ValidationError:
        return None
    except SpecError as error:
        message = str(error)
    assert "\n" not in message
    return None


# --- values derived --------------------------------------------------------------------------------------------------


def test_checks_in_short():
    assert higher("test_accuracy", of="a", than="b") == Ordered((Pair(A, B),))
    c = Quantity("test_accuracy", "c")
    assert highest("test_accuracy", of="a", than=("b", "c")) == Ordered((Pair(A, B), Pair(A, c)))
    assert increasing("test_accuracy", "a", "b", "c") == Ordered((Pair(B, A), Pair(c, B)))
    assert above("test_accuracy", "num_params", of=["a"]) == Ordered((Pair(A, COUNT),))
    assert every(higher("test_accuracy", of="a", than="b"), Ordered((Pair(c, A),))) == Ordered((Pair(A, B), Pair(c, A)))
    assert equal("num_params", of="a", expected=7, resolution=2) == Equal(COUNT, 7, 2)
    assert within("test_accuracy", 1, 2, of=["a", "b"]) == Within((A, B), 1, 2)
    assert within("test_accuracy", 1, 2, of=["a"], epoch=3) == Within((replace(A, epoch=3),), 1, 2)
    assert difference_within("test_accuracy", 1, 2, of="a", than="b") == DifferenceWithin(Pair(A, B), 1, 2)
    assert ratio_within("test_accuracy", 1, 2, of="a", than="b") == RatioWithin(Pair(A, B), 1, 2)
    one = agreement("num_params", of="a", stated=Number("x", 7), tolerance=2)
    assert consistent(one) == Consistent((Agreement(COUNT, Number("x", 7), 2),))


@pytest.mark.parametrize(
    ("id_", "basis"),
    [
        ("tseng2020.params-conv", Basis.COUNTED),
        ("tseng2020.memory-training", Basis.COUNTED),
        ("tseng2020.val-dsc-higher", Basis.TRAINED),
        ("tseng2020.train-time", Basis.TRAINED),
        ("yu2021.latency-4", Basis.TRAINED),
        ("tseng2020.table1-stride", Basis.INTERNAL),
        ("islam2022.quoted-params", Basis.COUNTED),
    ],
)
def test_what_a_claim_rests_on(id_, basis):
    (claim,) = (claim for claim in paper(id_.partition(".")[0]).claims if claim.id == id_)
    assert claim.basis is basis


def test_measures_of_a_claim_in_order():
    check = Consistent((Agreement(A, Number("x", 1)), Agreement(Number("y", 2), B)))
    assert claim(check).quantities == (A, B)
    assert claim(Within((B, A), 0, 1)).quantities == (B, A)
    assert claim(RatioWithin(Pair(A, B), 0, 1)).quantities == (A, B)


def test_label_of_an_experiment_is_its_name_unless_it_has_one():
    assert make_paper([EXPERIMENT, replace(COUNTED, label="VGG-19")]).labels == {"a": "a", "counted": "VGG-19"}


def test_scale_of_each_budget():
    assert EXPERIMENT.scale(Budget.PAPER) == Scale(7, 45_000, 10_000)
    assert EXPERIMENT.scale(Budget.SHORT) == Scale(2, 45_000, 10_000)
    assert EXPERIMENT.scale(Budget.DOUBLE) == Scale(4, 45_000, 10_000)
    assert EXPERIMENT.scale(Budget.SMOKE).epochs == 2
    assert RECIPE.validation_images == 5_000


def test_no_scale_for_what_is_only_counted():
    assert not any(COUNTED.has(budget) for budget in Budget)
    with pytest.raises(SpecError, match="counted: expected an experiment with a recipe"):
        COUNTED.scale(Budget.PAPER)


def test_without_short_epochs_there_is_no_shortened_budget():
    experiment = replace(EXPERIMENT, short_epochs=None)
    assert [budget for budget in Budget if experiment.has(budget)] == [Budget.SMOKE, Budget.PAPER]
    with pytest.raises(SpecError, match="a: no short epochs are stated; use the budget smoke or paper"):
        experiment.scale(Budget.SHORT)


@pytest.mark.parametrize(("short_epochs", "got"), [(1, 1), (4, 8)], ids=["one epoch", "twice as many are too many"])
def test_a_schedule_that_cannot_be_compressed_is_refused_when_it_is_stated(short_epochs, got):
    with pytest.raises(SpecError, match=f"^a: expected 2 to 7 epochs to compress the schedule to, got {got}$"):
        replace(EXPERIMENT, short_epochs=short_epochs)


def test_a_shortened_run_is_identified_by_what_was_really_run():
    spec = run(replace(EXPERIMENT, recipe=replace(RECIPE, schedule=EpochDecay(1.0, 0.5))), Budget.SHORT).spec
    assert spec["recipe"]["epochs"] == spec["scale"]["epochs"] == 2
    assert spec["recipe"]["schedule"]["decay"] == 0.5**6


# --- identity of a run -----------------------------------------------------------------------------------------------


def run(experiment=EXPERIMENT, budget=Budget.PAPER, seed=0):
    return Run("p", experiment, budget, seed)


@pytest.mark.parametrize(
    "other",
    [
        run(replace(EXPERIMENT, recipe=replace(RECIPE, batch_size=64))),
        run(replace(EXPERIMENT, recipe=replace(RECIPE, schedule=Constant(2e-3)))),
        run(replace(EXPERIMENT, recipe=replace(RECIPE, augment=(("flip",),)))),
        run(replace(EXPERIMENT, recipe=replace(RECIPE, optimizer=Optimizer("adamw")))),
        run(replace(EXPERIMENT, network=Network("tseng.conv", {"x": 1}))),
        run(replace(EXPERIMENT, dataset="cifar100")),
        run(budget=Budget.SMOKE),
        run(seed=1),
    ],
    ids=["batch size", "learning rate", "augmentation", "optimizer", "network", "dataset", "budget", "seed"],
)
def test_id_changes_with_what_determines_the_numbers(other):
    assert other.id != run().id


@pytest.mark.parametrize(
    "experiment",
    [
        replace(EXPERIMENT, note="other prose"),
        replace(EXPERIMENT, label="other label"),
        replace(EXPERIMENT, recipe=replace(RECIPE, sources=RECIPE.sources | {"epochs": "Sec. 9"})),
        replace(EXPERIMENT, short_epochs=3),  # of another budget
    ],
    ids=["note", "label", "sources", "short epochs"],
)
def test_id_does_not_change_with_prose(experiment):
    assert run(experiment).id == run().id


def test_id_of_a_published_run_stays():
    """Ids stand in committed results; a change here means that none of them counts any more."""
    assert Run("tseng2020", paper("tseng2020").experiment("conv"), Budget.PAPER, 0).id == "62fb48ecc7d511fd"


def test_key_is_a_place():
    assert run(seed=3).key == "p/a/paper-seed-3"


# --- JSON ------------------------------------------------------------------------------------------------------------


def test_canonical_json_has_one_form():
    assert canonical_json({"b": [1, 2.5], "a": "é"}) == b'{"a":"\\u00e9","b":[1,2.5]}'
    assert canonical_json({"a": 1, "b": 2}) == canonical_json({"b": 2, "a": 1})


def test_canonical_json_refuses_what_json_has_not():
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": float("nan")})


def test_export_names_the_kinds_of_its_parts():
    exported = to_json(EXPERIMENT)
    assert exported["recipe"]["schedule"] == {"learning_rate": 1e-3, "kind": "constant"}
    assert to_json(claim())["check"]["type"] == "ordered"

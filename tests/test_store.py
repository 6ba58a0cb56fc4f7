"""The store loses nothing, overwrites nothing and believes nothing that is damaged."""

import contextlib
import hashlib
import json
import multiprocessing
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factories import throughput_of
from sepconv import files
from sepconv.results import store
from sepconv.results.records import CostResult, ResultError, RunResult
from sepconv.results.store import Results
from sepconv.spec import Budget, Constant, Experiment, Network, Optimizer, Recipe, Run, canonical_json

RECIPE = Recipe(
    epochs=2,
    batch_size=8,
    optimizer=Optimizer("adam"),
    schedule=Constant(1e-3),
    normalisation="unit",
    train_images=40_000,
    sources=dict.fromkeys(
        (
            "epochs",
            "batch_size",
            "optimizer",
            "schedule",
            "normalisation",
            "train_images",
            "augment",
            "label_smoothing",
            "precision",
        ),
        "test",
    ),
)
EXPERIMENT = Experiment("conv", Network("tseng.conv"), "cifar10", RECIPE)


def epoch(number, accuracy=50.0):
    return {
        "epoch": number,
        "learning_rate": 1e-3,
        "train_loss": 1.5,
        "train_accuracy": accuracy,
        "val_loss": 1.6,
        "val_accuracy": accuracy,
        "train_seconds": 2.0,
        "evaluate_seconds": 0.5,
    }


def run_result(seed=0, accuracy=60.0, **changes):
    run = Run("tseng2020", EXPERIMENT, Budget.PAPER, seed)
    content = {
        "paper": "tseng2020",
        "experiment": "conv",
        "budget": "paper",
        "seed": seed,
        "run_id": run.id,
        "spec": run.spec,
        "status": "complete",
        "history": [epoch(1), epoch(2, accuracy)],
        "final": {
            "train_accuracy": accuracy,
            "val_accuracy": accuracy,
            "test_accuracy": accuracy,
            "test_loss": 1.0,
        },
        "seconds": {"compile": 1, "train": 4, "evaluate": 1},
        "peak_bytes": 10**9,
        "data_sha256": "ab" * 32,
        "environment": {
            "python": "3.11",
            "keras": "3.15",
            "backend": "tensorflow",
            "backend_version": "2.21",
            "numpy": "2.4",
            "device": "cpu",
            "accelerator": False,
            "cores": 2,
            "system": "Linux",
            "git_commit": "0123abc",
        },
    }
    return RunResult.model_validate_json(json.dumps(content | changes))


def cost_result():
    counts = dict.fromkeys(("num_params", "trainable_params", "mult_adds", "weighted_layers"), 1)
    sizes = dict.fromkeys(("weight_bytes", "activation_bytes", "training_step_bytes"), 4)
    return CostResult(
        paper="tseng2020", experiment="conv", network={"builder": "x.y"}, batch_size=8, layers=(), **counts, **sizes
    )


def write_raw(folder, content, key="tseng2020/conv/paper-seed-0", sign=True):
    """A file with any JSON content; signed, it fails at nothing but its content."""
    if sign:
        content = content | {"sha256": hashlib.sha256(canonical_json(content)).hexdigest()}
    path = store.path_of(folder, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def as_json(result):
    return result.model_dump(mode="json")


def test_round_trip(tmp_path):
    for result in (run_result(), cost_result()):
        path = store.write(tmp_path, result)
        assert path == tmp_path / f"{result.key}.json"
        assert store.read(path) == result
    assert store.read_all(tmp_path) == Results(runs=(run_result(),), costs=(cost_result(),))


def test_the_place_is_that_of_the_run(tmp_path):
    run = Run("tseng2020", EXPERIMENT, Budget.PAPER, 3)
    assert store.find_run(tmp_path, run) is None
    store.write(tmp_path, run_result(3))
    assert store.find_run(tmp_path, run) == run_result(3)


def test_another_recipes_result_is_not_taken_for_the_run(tmp_path):
    store.write(tmp_path, run_result())
    other = Experiment("conv", Network("tseng.conv", {"wider": True}), "cifar10", RECIPE)
    with pytest.raises(ResultError, match="another recipe's result; move that file away"):
        store.find_run(tmp_path, Run("tseng2020", other, Budget.PAPER, 0))


def test_writing_the_same_again_does_nothing(tmp_path):
    path = store.write(tmp_path, run_result())
    before = path.stat().st_mtime_ns
    assert store.write(tmp_path, run_result()) == path
    assert path.stat().st_mtime_ns == before


def test_other_content_never_overwrites(tmp_path):
    path = store.write(tmp_path, run_result(accuracy=60.0))
    with pytest.raises(ResultError, match="another result lies there"):
        store.write(tmp_path, run_result(accuracy=61.0))
    assert store.read(path) == run_result(accuracy=60.0)


def test_a_write_that_dies_before_the_rename_leaves_nothing(tmp_path, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        store.write(tmp_path, run_result())
    assert store.read_all(tmp_path) == Results()
    assert [p.name for p in (tmp_path / "tseng2020" / "conv").iterdir() if p.name != ".lock"] == []


def test_an_atomic_write_that_dies_leaves_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "file"
    files.write_atomically(path, b"old")

    def die(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", die)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_no_space_is_one_clear_line(tmp_path, monkeypatch):
    def die(*_):
        raise OSError(28, "No space left on device")

    store.write(tmp_path, run_result(seed=1))
    monkeypatch.setattr(os, "fsync", die)
    with pytest.raises(ResultError, match="cannot be written: No space left on device"):
        store.write(tmp_path, run_result())
    assert store.read_all(tmp_path) == Results(runs=(run_result(seed=1),))  # earlier results are whole


def test_a_killed_writers_leftovers_are_not_read(tmp_path):
    store.write(tmp_path, run_result())
    (tmp_path / "tseng2020" / "conv" / ".paper-seed-1.json.x7f").write_bytes(b'{"half')
    (tmp_path / "tseng2020" / "conv" / ".paper-seed-1.json").write_bytes(b'{"half')
    assert store.read_all(tmp_path) == Results(runs=(run_result(),))


def test_a_changed_number_is_found_out(tmp_path):
    path = store.write(tmp_path, run_result(accuracy=60.0))
    path.write_text(path.read_text().replace('"test_accuracy": 60.0', '"test_accuracy": 96.0'))
    with pytest.raises(ResultError, match=r"expected sha256 .*the file was changed"):
        store.read(path)


@pytest.mark.parametrize("cut", [0, 1, 100, -3])
def test_a_truncated_file_is_found_out(tmp_path, cut):
    path = store.write(tmp_path, run_result())
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ResultError, match="expected a JSON file"):
        store.read(path)


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_no_number_is_refused_however_it_is_written(tmp_path, bad):
    path = store.write(tmp_path, run_result())
    path.write_text(path.read_text().replace('"test_loss": 1.0', f'"test_loss": {bad}'))
    with pytest.raises(ResultError):
        store.read(path)


def sign(path, text):
    """Write a text that is laid out as the store does it, with the checksum of its own bytes."""
    (before,) = re.findall('"sha256": "(.+)"', text)
    lines = text.replace(f'\n "sha256": "{before}",', "").split("\n")
    canonical = "".join(line.lstrip() for line in lines).replace('": ', '":')
    path.write_text(text.replace(before, hashlib.sha256(canonical.encode()).hexdigest()))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"seed": 0,', '"seed": 5,\n "seed": 0,', "a name stands twice"),
        ('"test_loss": 1.0', '"test_loss": NaN', "not JSON compliant"),
        ('"test_loss": 1.0', '"test_loss": -Infinity', "not JSON compliant"),
        ('"test_loss": 1.0', '"test_loss": 1e999', "finite number"),
        ('"test_loss": 1.0', f'"test_loss": {"1" * 21}', "an integer of 21 digits"),
        ('"device": "cpu"', '"device": "c\n pu"', "Invalid control character"),
        ('"device": "cpu"', '"device": "c\\u001bpu"', "printable characters only"),
        ('"spec": {', '"spec": {\n  "a": 1e999,', "finite number"),
        ('"spec": {', '"spec": {\n  "a": ' + "[" * 400 + "]" * 400 + ",", "recursion"),
        ('"spec": {', '"spec": {\n  "a": 1,', "run_id is not the hash of spec"),
    ],
)
def test_a_file_that_is_laid_out_and_signed_as_ours_is_checked_all_the_same(tmp_path, old, new, message):
    path = store.write(tmp_path, run_result())
    text = path.read_text()
    sign(path, text)
    assert path.read_text() == text
    sign(path, text.replace(old, new, 1))
    with pytest.raises(ResultError, match=message) as refusal:
        store.read(path)
    assert "\n" not in str(refusal.value)


def test_a_number_of_a_network_that_is_not_finite_is_refused(tmp_path):
    path = store.write(tmp_path, cost_result())
    sign(path, path.read_text().replace('"builder": "x.y"', '"builder": "x.y",\n  "dim": 1e999'))
    with pytest.raises(ResultError, match="expected a finite number, got inf"):
        store.read(path)


def test_only_what_is_laid_out_otherwise_is_written_anew_to_be_checked(tmp_path, monkeypatch):
    odd = as_json(run_result())
    odd["environment"]["device"] = 'a": \\ b'  # a quote, which JSON escapes, before what ends a name
    plain = store.write(tmp_path / "plain", run_result())
    escaped = store.write(tmp_path / "escaped", RunResult.model_validate_json(json.dumps(odd)))
    in_one_line = write_raw(tmp_path / "line", as_json(run_result()))
    written = []
    monkeypatch.setattr(store, "canonical_json", lambda content: written.append(content) or canonical_json(content))
    assert store.read(plain) == run_result()
    assert written == []
    assert store.read(in_one_line) == run_result()
    assert store.read(escaped).environment.device == 'a": \\ b'
    assert len(written) == 2


def test_nan_cannot_even_become_a_result():
    with pytest.raises(ValueError, match="finite number"):
        run_result().final.__class__(train_accuracy=1, val_accuracy=1, test_accuracy=1, test_loss=float("nan"))


@pytest.mark.parametrize("version", [2, "1", None, True, 1.5])
def test_another_schema_is_refused(tmp_path, version):
    path = write_raw(tmp_path, as_json(run_result()) | {"schema_version": version})
    with pytest.raises(ResultError, match=r"expected schema 1, got .*the sepconv that wrote it"):
        store.read(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "walk"}, "walk"),
        ({"final": None}, "has final metrics"),
        ({"status": "diverged"}, "has final metrics"),
        ({"history": [epoch(1)]}, "has 2 epochs, this one 1"),
        ({"history": [epoch(1), epoch(3)]}, "must number its epochs"),
        ({"history": [epoch(1), epoch(2, 101.0)]}, "less than or equal to 100"),
        ({"run_id": "0" * 16}, "run_id is not the hash of spec"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"speed": 3}, "not permitted"),
        ({"status": "a\nb"}, "complete"),
        ({"paper": "../../etc"}, "should match pattern"),
        ({"spec": {}, "run_id": hashlib.sha256(b"{}").hexdigest()[:16]}, "spec"),
        ({"spec": {"scale": 3}, "run_id": hashlib.sha256(b'{"scale":3}').hexdigest()[:16]}, "spec"),
    ],
)
def test_a_signed_result_that_cannot_be_is_refused(tmp_path, change, message):
    path = write_raw(tmp_path, as_json(run_result()) | change)
    with pytest.raises(ResultError, match=message) as refusal:
        store.read(path)
    assert "\n" not in str(refusal.value)


def test_a_result_that_says_another_seed_than_its_spec_is_refused(tmp_path):
    path = write_raw(tmp_path, as_json(run_result(0)) | {"seed": 1}, key="tseng2020/conv/paper-seed-1")
    with pytest.raises(ResultError, match="seed"):
        store.read(path)


def test_a_file_in_the_wrong_place_is_refused(tmp_path):
    path = store.write(tmp_path, run_result(0))
    with pytest.raises(
        ResultError, match=r"expected the file of tseng2020/conv/paper-seed-0; it lies in the wrong place"
    ):
        store.read(path.rename(path.with_name("paper-seed-1.json")))


def test_a_folder_whose_name_only_ends_alike_is_the_wrong_place(tmp_path):
    path = store.write(tmp_path, run_result(0))
    other = tmp_path / "not-tseng2020" / "conv" / path.name
    other.parent.mkdir(parents=True)
    with pytest.raises(ResultError, match="it lies in the wrong place"):
        store.read(path.rename(other))


def test_a_relative_path_is_read_too(tmp_path, monkeypatch):
    path = store.write(tmp_path, run_result(0))
    monkeypatch.chdir(path.parent)
    assert store.read(Path(path.name)) == run_result(0)


@pytest.mark.parametrize("content", [b"[1, 2]", b"3", b"null", b'"text"'])
def test_json_that_is_no_object_is_refused(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(ResultError, match="expected a JSON object"):
        store.read(tmp_path / "x.json")


def test_a_key_that_stands_twice_is_refused(tmp_path):
    path = store.write(tmp_path, run_result())
    path.write_text(path.read_text().replace('"seed": 0,', '"seed": 5, "seed": 0,', 1))
    with pytest.raises(ResultError, match="twice"):
        store.read(path)


def test_a_missing_file_and_a_missing_folder(tmp_path):
    with pytest.raises(ResultError, match="No such file"):
        store.read(tmp_path / "none.json")
    with pytest.raises(ResultError, match="expected a folder of results, found none"):
        store.read_all(tmp_path / "none")


def test_a_run_from_before_ways_were_recorded_is_still_the_same_result(tmp_path):
    content = as_json(run_result())
    del content["depthwise_ways"]
    path = write_raw(tmp_path, content)
    assert store.read(path) == run_result()
    assert store.write(tmp_path, run_result()) == path  # and not another one


def test_a_run_of_a_budget_that_is_gone_is_one_line_and_the_rest_is_read(tmp_path):
    store.write(tmp_path, run_result(1))
    write_raw(tmp_path, as_json(run_result(0)) | {"budget": "reduced"}, key="tseng2020/conv/reduced-seed-0")
    found = store.read_all(tmp_path)
    assert found.runs == (run_result(1),)
    (problem,) = found.problems
    assert problem.startswith("tseng2020/conv/reduced-seed-0.json: run.budget: ")
    assert "expected smoke, short, double, paper; this budget is gone or never was, delete the file" in problem
    assert "\n" not in problem


def test_times_measured_at_a_budget_that_is_gone_are_still_read(tmp_path):
    timed = throughput_of().model_copy(update={"budget": "reduced"})
    path = store.write(tmp_path, timed)
    assert path.name.startswith("throughput-reduced-")
    assert store.read_all(tmp_path).throughputs == (timed,)


def test_a_run_from_before_batch_norm_was_re_estimated_is_still_the_same_result(tmp_path):
    content = as_json(run_result())
    del content["final"]["reestimated"]
    path = write_raw(tmp_path, content)
    assert store.read(path) == run_result()
    assert store.write(tmp_path, run_result()) == path


def test_ways_of_depthwise_layers_are_part_of_a_result(tmp_path):
    ways = {"block1_conv": {"forward": "shifted", "input gradient": "grouped", "weight gradient": "pallas"}}
    path = store.write(tmp_path, run_result(depthwise_ways=ways))
    assert store.read(path).depthwise_ways == ways
    assert store.read(path) != run_result()
    with pytest.raises(ValueError, match="depthwise_ways"):
        run_result(depthwise_ways={"block1_conv": {"forward": "fast"}})


def test_what_is_there_is_not_measured_again(tmp_path):
    measured = []
    for _ in range(2):
        found = store.ensure(tmp_path, run_result().key, RunResult, lambda: measured.append(1) or run_result())
        assert found == run_result()
    assert measured == [1]


def test_a_result_of_another_kind_is_refused_in_one_line(tmp_path):
    store.write(tmp_path, run_result())
    for ask in (store.read_as, lambda *asked: store.ensure(*asked, run_result)):
        with pytest.raises(ResultError, match=r"paper-seed-0.json: expected a CostResult, got a RunResult; move"):
            ask(tmp_path, run_result().key, CostResult)


@pytest.mark.parametrize("place", ["tseng2020/dsc", "tseng2020"])
def test_a_folder_that_cannot_be_listed_is_named_and_the_rest_is_read(tmp_path, monkeypatch, place):
    store.write(tmp_path, run_result())
    other = store.write(tmp_path, run_result().model_copy(update={"paper": "islam2022"}))
    (tmp_path / "tseng2020" / "dsc").mkdir()
    listed = Path.iterdir

    def iterdir(path):  # root, as which containers run tests, could list every folder
        if path == tmp_path / place:
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    found = store.read_all(tmp_path)
    assert found.problems == (f"{place}: expected a folder that can be read, got: Permission denied",)
    assert store.read(other) in found.runs


def test_one_damaged_file_does_not_hide_the_others(tmp_path):
    store.write(tmp_path, run_result(0))
    store.write(tmp_path, run_result(1)).write_text("{")
    found = store.read_all(tmp_path)
    assert found.runs == (run_result(0),)
    assert len(found.problems) == 1
    assert found.problems[0].startswith("tseng2020/conv/paper-seed-1.json: expected a JSON file")


def test_runs_of_are_complete_and_by_seed():
    diverged = run_result(1, status="diverged", final=None, history=[epoch(1)])
    found = Results(runs=(run_result(2), diverged, run_result(0)))
    assert [r.seed for r in found.runs_of("tseng2020", "conv", Budget.PAPER)] == [0, 2]
    assert found.runs_of("tseng2020", "conv", Budget.SMOKE) == ()


def test_merge_adds_what_is_new(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    store.write(ours, run_result(0))
    for result in (run_result(0), run_result(1), cost_result()):
        store.write(theirs, result)
    assert store.merge(theirs, ours) == 2
    assert store.read_all(ours) == store.read_all(theirs)
    assert store.merge(theirs, ours) == 0


def test_merge_adds_nothing_where_one_differs(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    store.write(ours, run_result(1, accuracy=60.0))
    store.write(theirs, run_result(0))
    store.write(theirs, run_result(1, accuracy=61.0))
    with pytest.raises(ResultError, match="nothing was merged"):
        store.merge(theirs, ours)
    assert store.read_all(ours).runs == (run_result(1, accuracy=60.0),)


def test_merge_adds_nothing_where_one_is_damaged(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    store.write(theirs, run_result(0))
    store.write(theirs, run_result(1)).write_text("{")
    with pytest.raises(ResultError, match="expected a JSON file"):
        store.merge(theirs, ours)
    assert not ours.exists()


def write_many(folder, accuracy, seeds, outcomes):
    for seed in seeds:
        try:
            store.write(folder, run_result(seed, accuracy))
            outcomes.put((seed, accuracy))
        except ResultError:
            pass


@pytest.mark.slow
def test_two_processes_at_once_lose_nothing(tmp_path):
    """Both write seeds of their own and all of them contend for seeds 0 to 9, with different content."""
    context = multiprocessing.get_context("spawn")
    outcomes = context.Queue()
    writers = [
        context.Process(target=write_many, args=(tmp_path, 60.0, range(20), outcomes)),
        context.Process(target=write_many, args=(tmp_path, 61.0, [*range(9, -1, -1), *range(20, 30)], outcomes)),
    ]
    for writer in writers:
        writer.start()
    said = sorted(outcomes.get(timeout=60) for _ in range(30))
    for writer in writers:
        writer.join(60)
    found = store.read_all(tmp_path)
    assert found.problems == ()
    assert sorted((r.seed, r.final.test_accuracy) for r in found.runs) == said
    assert [seed for seed, _ in said] == list(range(30))


def test_two_writers_of_one_place_take_turns(tmp_path, monkeypatch):
    """Each waits inside its write for the other to get there too, which only happens where nothing keeps them apart."""
    meeting = threading.Barrier(2)
    write_atomically = files.write_atomically

    def wait_and_write(path, data):
        with contextlib.suppress(threading.BrokenBarrierError):
            meeting.wait(timeout=0.5)
        write_atomically(path, data)

    monkeypatch.setattr(files, "write_atomically", wait_and_write)
    with ThreadPoolExecutor(2) as pool:
        writes = [pool.submit(store.write, tmp_path, run_result(accuracy=value)) for value in (60.0, 61.0)]
    refused = [write for write in writes if write.exception()]
    assert len(refused) == 1
    assert "another result lies there" in str(refused[0].exception())


def write_for_ever(folder):
    seed = 0
    while True:
        store.write(folder, run_result(seed))
        seed += 1


@pytest.mark.slow
def test_a_writer_that_is_killed_leaves_only_whole_results(tmp_path):
    writer = multiprocessing.get_context("spawn").Process(target=write_for_ever, args=(tmp_path,))
    writer.start()
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("*/*/paper-seed-5.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    writer.kill()
    writer.join()
    found = store.read_all(tmp_path)
    assert found.problems == ()
    assert len(found.runs) > 5
    store.write(tmp_path, run_result(len(found.runs)))  # the dead writer's lock holds nobody up


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fuzz = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read_or_refuse(path):
    """The result, or None where it is refused in one line."""
    try:
        return store.read(path)
    except ResultError as error:
        message = str(error)
    assert "\n" not in message
    return None


@fuzz
@given(st.binary(max_size=60) | st.text(max_size=30).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_refused_in_one_line(tmp_path, content):
    path = tmp_path / "any.json"
    path.write_bytes(content)
    with pytest.raises(ResultError) as refusal:
        store.read(path)
    assert "\n" not in str(refusal.value)


@fuzz
@given(st.data())
def test_any_change_of_any_bytes_is_refused(tmp_path, data):
    path = store.write(tmp_path, run_result())
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255))
    changed = tmp_path / "copy" / "tseng2020" / "conv" / "paper-seed-0.json"
    changed.parent.mkdir(parents=True, exist_ok=True)
    changed.write_bytes(content)
    assert read_or_refuse(changed) in (None, run_result())  # the same where white space or nothing was changed


@fuzz
@given(st.sampled_from(sorted(as_json(run_result()))), json_values)
def test_any_signed_field_is_read_or_refused(tmp_path, field, value):
    read_or_refuse(write_raw(tmp_path, as_json(run_result()) | {field: value}))


@fuzz
@given(json_values)
def test_any_signed_spec_is_read_or_refused(tmp_path, spec):
    run_id = hashlib.sha256(canonical_json(spec)).hexdigest()[:16]
    read_or_refuse(write_raw(tmp_path, as_json(run_result()) | {"spec": spec, "run_id": run_id}))


def test_deep_nesting_is_refused(tmp_path):
    (tmp_path / "x.json").write_bytes(b'{"a":' * 100_000)
    with pytest.raises(ResultError, match="expected a JSON file"):
        store.read(tmp_path / "x.json")


def test_a_huge_number_is_refused(tmp_path):
    (tmp_path / "x.json").write_bytes(b'{"schema_version": ' + b"9" * 10_000 + b"}")
    with pytest.raises(ResultError):
        store.read(tmp_path / "x.json")

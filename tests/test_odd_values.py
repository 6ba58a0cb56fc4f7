"""One odd value in one result, signed with a right checksum, is refused or stops nobody who reads the folder."""

import contextlib
import copy
import hashlib
import json
import random
from functools import partial
from typing import get_args

import pytest

from factories import (
    ENVIRONMENT,
    cluster_of,
    cost_of,
    latency_of,
    memory_of,
    result_of,
    roofline_of,
    scaling_of,
    smoke,
    throughput_of,
)
from sepconv.papers import paper
from sepconv.report import frames
from sepconv.report.tables.runs import runs_table
from sepconv.results import store
from sepconv.results.records import DepthwiseResult, DepthwiseTiming, LatencyResult, Part, ResultError
from sepconv.spec import Budget, Run, canonical_json
from sepconv.training import campaign
from sepconv.verdicts.compare import compare, set_aside
from sepconv.verdicts.judge import export

PAPER = paper("tseng2020")
CONV = PAPER.experiment("conv")
ODD = (
    None, True, 0, -1, 1, 2**32, 10**19, 1e308, -1e308, 1e-308, 0.0, -0.0,
    "", "\x1b[2J", "a\nb", "‮", "x" * 10_000, "<script>", [], [0], [1e308], {}, {"": 0}, [[[[]]]],
)  # fmt: skip


def depthwise():
    parts = get_args(Part)
    shape = {"batch": 2, "size": 8, "channels": 4, "kernel": 3, "stride": 1, "precision": "float32"}
    times = {"grouped": (0.1, 0.2), "shifted": (0.2,)}
    timing = DepthwiseTiming(**shape, seconds=dict.fromkeys(parts, times), differences=dict.fromkeys(parts, 0))
    return DepthwiseResult(timings=(timing,), environment=ENVIRONMENT)


def latency():
    content = latency_of(CONV, (1.0, 2.0), paper="tseng2020").model_dump(mode="json")
    content["batch_times"] = {"4": {"p50": 1.0, "p95": 2.0, "batches": 3}}
    return LatencyResult.model_validate_json(json.dumps(content))


RESULTS = {
    "run": result_of(Run("tseng2020", CONV, Budget.SMOKE, 0)),
    "cost": cost_of(CONV, paper="tseng2020"),
    "latency": latency(),
    "throughput": throughput_of(),
    "memory": memory_of(),
    "roofline": roofline_of(),
    "depthwise": depthwise(),
    "cluster": cluster_of(),
    "scaling": scaling_of(),
}


def test_every_kind_of_result_is_attacked():
    assert {result.kind: type(result) for result in RESULTS.values()} == {
        kind.model_fields["kind"].default: kind for kind in get_args(store.Result)
    }
    assert [result.kind for result in RESULTS.values()] == list(RESULTS)


def places(value, at=()):
    """Where a JSON value and every value in it stands, but for the outermost."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, entry in entries:
        yield (*at, name)
        yield from places(entry, (*at, name))


def changed(content, place, odd):
    new = copy.deepcopy(content)
    inner = new
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = odd
    if place[0] == "spec":
        new["run_id"] = hashlib.sha256(canonical_json(new["spec"])).hexdigest()[:16]
    return new | {"sha256": hashlib.sha256(canonical_json(new)).hexdigest()}


# What pages show of each kind of result.
FRAMES = {
    "run": (frames.all_runs, partial(frames.history, PAPER, names={"conv": ""}, budgets=[Budget.SMOKE])),
    "cost": (partial(frames.costs, [PAPER], budgets=[Budget.SMOKE]),),
    "latency": (frames.latencies,),
    "throughput": (frames.throughputs,),
    "memory": (frames.memories,),
    "roofline": (lambda found: frames.limits([PAPER], found, found.rooflines),),
    "depthwise": (frames.depthwise, frames.fastest_ways),
    "cluster": (frames.disturbances,),
    "scaling": (frames.scaling,),
}


def read_by_all(folder, kind):
    """What every command that reads results does with a folder, and the pages that show that kind of result."""
    found = store.read_all(folder)
    json.dumps(export([PAPER], found), allow_nan=False)
    compare(PAPER, found, found), set_aside(PAPER, found, found)
    list(campaign.queue_lines([smoke(1)], folder, campaign.Device("cpu", accelerator=False, cores=2)))
    for frame in FRAMES[kind]:
        frame(found).to_csv(float_format="%.6g")


@pytest.mark.parametrize("drawn", [15, pytest.param(None, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("kind", RESULTS)
def test_an_odd_value_is_refused_or_stops_nobody(tmp_path, kind, drawn):
    """Every change is read; of those that are accepted, ``drawn`` ones or all go through the commands."""
    for other in RESULTS.values():
        path = store.write(tmp_path, other)
    path = store.path_of(tmp_path, RESULTS[kind].key)
    content = RESULTS[kind].model_dump(mode="json")
    refused, broken, accepted = 0, 0, {}
    for place in places(content):
        for odd in ODD:
            text = json.dumps(changed(content, place, odd))
            path.write_text(text)
            try:
                accepted[store.read(path).model_dump_json()] = place, odd, text
            except ResultError as error:
                broken += not str(error).isprintable()
                refused += 1
    assert broken == 0
    assert refused > len(accepted) > 0
    stopped = []
    chosen = sorted(accepted.values(), key=repr)
    for place, odd, text in chosen if drawn is None else random.Random(0).sample(chosen, min(drawn, len(chosen))):
        path.write_text(text)
        try:
            read_by_all(tmp_path, kind)
        except Exception as error:  # any at all is the fault that is looked for
            stopped.append(f"{place} = {odd!r:.40}: {type(error).__name__}: {error}")
    assert not stopped, "\n".join(stopped)


def test_a_run_that_diverged_in_its_first_epoch_stops_nobody(tmp_path):
    diverged = RESULTS["run"].model_copy(update={"status": "diverged", "final": None, "history": ()})
    store.write(tmp_path, diverged)
    assert store.read_all(tmp_path).runs == (diverged,)
    read_by_all(tmp_path, "run")
    assert "diverged" in runs_table(store.read_all(tmp_path)).text


@pytest.mark.parametrize(
    ("kind", "place", "odd"),
    [
        ("latency", ("seconds", "4", 0), 1e308),
        ("latency", ("seconds", "4"), []),
        ("latency", ("batch_times", "4", "p95"), 0.5),
        ("run", ("history", 0, "train_seconds"), 1e308),
        ("run", ("spec", "recipe", "train_images"), 0),
        ("memory", ("step_bytes",), 10**400),
        ("roofline", ("copy_seconds", 0), 1e-308),
    ],
)
def test_values_that_once_stopped_commands_are_refused(tmp_path, kind, place, odd):
    path = store.write(tmp_path, RESULTS[kind])
    path.write_text(json.dumps(changed(RESULTS[kind].model_dump(mode="json"), place, odd)))
    with pytest.raises(ResultError):
        store.read(path)


TAGS = ("<script>alert(1)</script>", "![](https://evil.example/x)", "[here](javascript:alert(1))", "``` {raw} html")


@pytest.mark.parametrize("kind", RESULTS)
def test_no_text_of_any_result_brings_markup_onto_a_page(tmp_path, kind):
    """Whatever a page does with the texts of results: neither as a value nor as a name is there a tag or a link."""
    path = store.write(tmp_path, RESULTS[kind])
    content = RESULTS[kind].model_dump(mode="json")
    texts = [place for place in places(content) if isinstance(value_at(content, place), str)]
    tables = [place for place in places(content) if isinstance(value_at(content, place), dict)]
    injected = [changed(content, place, value_at(content, place) + tag) for place in texts for tag in TAGS]
    injected += [changed(content, place, value_at(content, place) | {tag: 1}) for place in tables for tag in TAGS]
    read = []
    for each in injected:
        path.write_text(json.dumps(each))
        with contextlib.suppress(ResultError):
            read.append(store.read(path).model_dump_json())
    assert len(injected) > 20
    assert not read


def value_at(content, place):
    for name in place:
        content = content[name]
    return content

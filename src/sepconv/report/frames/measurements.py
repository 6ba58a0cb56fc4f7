"""Speed and memory as measured on machines, beside what is counted and what papers print."""

from collections.abc import Iterable, Sequence
from math import inf, nan
from statistics import median

import pandas as pd

from sepconv.measuring import roofline
from sepconv.metrics import batch_size_of
from sepconv.report.frames.runs import WHOLE_BUDGETS, current_runs
from sepconv.results.records import (
    CONVOLUTION,
    CostResult,
    DepthwiseTiming,
    Environment,
    LatencyResult,
    LoopTiming,
    Part,
    RooflineResult,
    ThroughputResult,
    Way,
    machine,
    measured_on,
)
from sepconv.results.store import Results
from sepconv.spec import BYTES_PER_VALUE, Budget, Experiment, Paper, Quantity, Recipe
from sepconv.verdicts.judge import Question, answer
from sepconv.verdicts.samples import Selection

THROUGHPUT = ("paper", "experiment", "budget", "device", "backend", "images", "batch_size", "loop", "images_per_second",
              "slowest", "fastest", "epochs", "ratio", "compile_seconds", "loss", "loss_of_fit")  # fmt: skip
LATENCY = ("paper", "experiment", "budget", "device", "backend", "batch_norm", "transfer", "batch_size",
           "p50", "p95", "batches")  # fmt: skip
MEMORY = ("paper", "experiment", "device", "backend", "method", "batch_size", "counted", "measured", "lowest",
          "highest", "ratio")  # fmt: skip
LIMITS = ("paper", "experiment", "device", "backend", "precision", "batch_size", "least_step_ms", "limit", "measured",
          "fraction", "source")  # fmt: skip
DEPTHWISE = ("device", "layer", "part", "precision", "way", "ms", "ratio", "least_ms", "fraction", "difference")
ROOFLINE_RATIOS = ("source", "batch_size", "balance", "ratio")
RooflineRow = tuple[str, int, float, float]
EpochTime = tuple[str, int, float]  # where it was measured, images of an epoch, seconds of an epoch


def throughputs(results: Results) -> pd.DataFrame:
    """Every training loop that was timed: columns ``THROUGHPUT``.

    ``images_per_second`` is that of the median epoch of ``epochs``, ``ratio`` how many times that of Keras's ``fit`` on
    the same images, ``loss`` the mean training loss of an epoch, that of ``fit`` for all loops that do the same.
    """
    rows = [_loop_row(r, name, loop) for r in results.throughputs for name, loop in r.loops.items()]
    return pd.DataFrame(rows, columns=list(THROUGHPUT))


def latencies(results: Results) -> pd.DataFrame:
    """Milliseconds of a batch at each batch size, in every mode that was timed: columns ``LATENCY``.

    Where whole passes were timed only, ``p50`` is the mean batch of the median pass, ``p95`` is missing and ``batches``
    is 0.
    """
    rows = [_latency_row(result, size) for result in results.latencies for size in sorted(result.seconds)]
    return pd.DataFrame(rows, columns=list(LATENCY))


def memories(results: Results) -> pd.DataFrame:
    """Bytes of a training step, counted and measured: columns ``MEMORY``; ``ratio`` is of measured to counted."""
    rows = []
    for memory in results.memories:
        cost = results.cost_of(memory.paper, memory.experiment)
        if cost is not None and cost.batch_size == memory.batch_size:
            counted = cost.training_step_bytes
            place = (memory.paper, memory.experiment, *_where(memory.environment))
            spread = (min(memory.repeats), max(memory.repeats))
            way = (memory.method, memory.batch_size)
            rows.append((*place, *way, counted, memory.step_bytes, *spread, memory.step_bytes / counted))
    return pd.DataFrame(rows, columns=list(MEMORY))


def depthwise(results: Results) -> pd.DataFrame:
    """Milliseconds of each part of every depthwise convolution in each way: columns ``DEPTHWISE``.

    ``ratio`` is of the grouped way to this one, ``difference`` the largest of their results as a share of the largest
    value. ``least_ms`` is the time in which the machine copies what the part has to move, ``fraction`` how near to it
    this way comes; both are missing where the machine's roofline was not measured.
    """
    speeds = {measured_on(device.environment): device.bytes_per_second for device in results.rooflines}
    rows = [
        _depthwise_row(
            result.environment.device_title, timing, part, way, speeds.get(measured_on(result.environment), nan)
        )
        for result in results.depthwises
        for timing in result.timings
        for part, ways in timing.seconds.items()
        for way in ways
    ]
    return pd.DataFrame(rows, columns=list(DEPTHWISE))


def fastest_ways(results: Results) -> pd.DataFrame:
    """The way in which each part of every depthwise convolution took least time, summed over batch sizes.

    Columns: ``machine``, those of ``CONVOLUTION``, and one for each part.
    """
    place = ["machine", *CONVOLUTION]
    times = pd.DataFrame(
        [
            (machine(result.environment), *(getattr(timing, name) for name in CONVOLUTION), part, way, median(seconds))
            for result in results.depthwises
            for timing in result.timings
            for part, ways in timing.seconds.items()
            for way, seconds in ways.items()
        ],
        columns=[*place, "part", "way", "seconds"],
    )
    least = times.groupby([*place, "part", "way"])["seconds"].sum().unstack("way").idxmin(axis=1)
    return least.unstack("part").rename_axis(columns=None).reset_index()


def limits(papers: Iterable[Paper], results: Results, devices: Sequence[RooflineResult]) -> pd.DataFrame:
    """How fast each network can be trained at most on each device, and how near to that it was: columns ``LIMITS``.

    ``least_step_ms`` is of a step of the recipe's batch size, ``limit`` the images per second of an epoch of such
    steps, both as :mod:`sepconv.measuring.roofline` bounds them. ``measured`` are images per second of this package's
    engine on the same device and backend, from the throughput with most images, or else the median over runs of their
    median epoch, and ``fraction`` is the least time of just that epoch over its time. Both are missing where nothing
    was trained there.
    """
    trained = [(paper, e, e.recipe) for paper in papers for e in paper.experiments if e.recipe]
    rows = [
        _limit_row(paper, experiment, recipe, cost, on, results)
        for on in devices
        for paper, experiment, recipe in trained
        if (cost := results.cost_of(paper.key, experiment.name)) and cost.batch_size == recipe.batch_size
    ]
    return pd.DataFrame([row for row in rows if row], columns=list(LIMITS))


def roofline_ratios(
    first: CostResult,
    second: CostResult,
    batch_sizes: Sequence[int],
    balances: Sequence[float],
    results: Results,
    printed: pd.DataFrame,
) -> pd.DataFrame:
    """How many times as long ``first`` takes as ``second`` for a batch: predicted, measured, and as a paper reports it.

    Args:
        first: one network.
        second: another one of the same paper.
        batch_sizes: at which they are compared.
        balances: of devices for which the roofline predicts, in operations per byte.
        results: from which latencies are read, in inference mode of images on the device, where the machine's
            roofline was measured in float32.
        printed: seconds that the paper prints, as :func:`ratios` takes them.

    Returns:
        Columns ``ROOFLINE_RATIOS``. ``source`` is ``predicted``, ``measured on`` a machine, or ``reported``, whose
        ``balance`` is not known.
    """
    above, below = printed.columns[-2:]
    predicted = [
        ("predicted", size, balance, roofline.time_ratio(first, second, size, balance))
        for size in batch_sizes
        for balance in balances
    ]
    reported = [
        ("reported", batch_size_of(line["metric"]), nan, float(line[above]) / float(line[below]))
        for line in printed.to_dict("records")
    ]
    rows = [row for row in (*predicted, *_measured_ratios(first, second, results), *reported) if row[1] in batch_sizes]
    return pd.DataFrame(rows, columns=list(ROOFLINE_RATIOS))


def ratios(paper: Paper, results: Results, printed: pd.DataFrame, budgets: Iterable[Budget]) -> pd.DataFrame:
    """Ratios of two networks' seconds, as printed and as we measured them on whatever machine: one row each.

    ``printed`` has one line per measurement: ``what``, ``metric`` (empty where we measure none), ``dataset`` and, last,
    the seconds of the two networks, in columns named as their experiments end.

    Returns:
        ``what``, ``source`` (``reported``, or our budget and device) and ``ratio``, of the first network to the second.
    """
    first, second = printed.columns[-2:]
    rows = []
    for line in printed.to_dict("records"):
        rows.append((line["what"], "reported", float(line[first]) / float(line[second])))
        if line["metric"]:
            terms = tuple(Quantity(line["metric"], f"{line['dataset']}-{name}") for name in (first, second))
            comparable = [b for b in budgets if b is Budget.PAPER or line["metric"] != "total_seconds"]  # equal epochs
            rows += [(line["what"], *row) for b in comparable for row in _our_ratios(paper, results, terms, b)]
    return pd.DataFrame(rows, columns=["what", "source", "ratio"])


def batch_times(paper: str, experiment: str, results: Results) -> dict[tuple[str, int], float]:
    """Median milliseconds of a batch in inference mode, of images on the device, by machine and batch size."""
    return {
        (machine_title(latency.environment), size): batch.p50
        for latency in sorted(results.latencies, key=lambda latency: latency.images)
        if (latency.paper, latency.experiment) == (paper, experiment)
        and (latency.batch_norm, latency.transfer) == ("inference", "device")
        for size, batch in latency.batch_times.items()
    }


def machine_title(on: Environment) -> str:
    """A machine in words: of a CPU with its cores, and the backend where it is not the default."""
    cores = "" if on.accelerator else f", {on.cores} core{'s' * (on.cores != 1)}"
    return f"{on.device_title}{cores}{', JAX' * (on.backend == 'jax')}"


def _where(on: Environment) -> tuple[str, str]:
    return on.device_title, on.backend


def _measured_ratios(
    first: CostResult, second: CostResult, results: Results
) -> Iterable[tuple[str, int, float, float]]:
    """Ratios of the median times of a batch, on machines whose balance is known."""
    devices = {machine_title(found.environment): roofline.device(found, "float32") for found in results.rooflines}
    times, others = (batch_times(cost.paper, cost.experiment, results) for cost in (first, second))
    for place in sorted(times.keys() & others.keys()):
        if on := devices.get(place[0]):
            balance = on.operations_per_second / on.bytes_per_second
            yield f"measured on {place[0]}", place[1], balance, times[place] / others[place]


def _loop_row(result: ThroughputResult, name: str, loop: LoopTiming) -> tuple[object, ...]:
    rates = [result.images / seconds for seconds in loop.seconds]
    fit = result.loops.get("fit")
    ratio = median(fit.seconds) / median(loop.seconds) if fit else nan
    speed = (result.images / median(loop.seconds), min(rates), max(rates), len(rates), ratio)
    place = (result.paper, result.experiment, str(result.budget), *_where(result.environment))
    losses = (median(loop.losses), median(fit.losses) if fit else nan)
    return (*place, result.images, result.batch_size, name, *speed, loop.compile, *losses)


def _latency_row(result: LatencyResult, size: int) -> tuple[object, ...]:
    batch = result.batch_times.get(size)
    of_passes = 1000 * median(result.seconds[size]) * size / result.images
    times = (batch.p50, batch.p95, batch.batches) if batch else (of_passes, nan, 0)
    place = (result.paper, result.experiment, str(result.budget), *_where(result.environment))
    return (*place, result.batch_norm, result.transfer, size, *times)


def _depthwise_row(
    device: str, timing: DepthwiseTiming, part: Part, way: Way, bytes_per_second: float
) -> tuple[object, ...]:
    layer = f"{timing.kernel}×{timing.kernel} stride {timing.stride}, {timing.size}×{timing.size}×{timing.channels}"
    grouped, taken = (1000 * median(timing.seconds[part][each]) for each in ("grouped", way))
    least = 1000 * timing.values * BYTES_PER_VALUE[timing.precision] / bytes_per_second
    place = (device, f"{layer}, batch {timing.batch}", part, timing.precision, way)
    return (*place, taken, grouped / taken, least, least / taken, timing.differences[part])


def _limit_row(
    paper: Paper, experiment: Experiment, recipe: Recipe, cost: CostResult, on: RooflineResult, results: Results
) -> tuple[object, ...] | None:
    """None where the device was not measured in the recipe's precision."""
    device = roofline.device(on, recipe.precision)
    if device is None:
        return None
    size, images = recipe.batch_size, recipe.train_images
    limit = images / roofline.epoch_seconds(cost, images, size, device)
    reached: tuple[object, ...] = (nan, nan, "")
    if found := _epoch_time(paper, experiment, on.environment, results):
        source, images, seconds = found
        reached = (images / seconds, roofline.epoch_seconds(cost, images, size, device) / seconds, source)
    place = (paper.key, experiment.name, *_where(on.environment), recipe.precision, size)
    return (*place, 1000 * roofline.step_seconds(cost, size, device), limit, *reached)


def _epoch_time(paper: Paper, experiment: Experiment, there: Environment, results: Results) -> EpochTime | None:
    timed = [
        (result.key, result.images, median(result.loops["engine"].seconds))
        for result in results.throughputs
        if (result.paper, result.experiment) == (paper.key, experiment.name)
        and measured_on(result.environment) == measured_on(there)
        and "engine" in result.loops
    ]
    return max(timed, key=lambda found: found[1]) if timed else _trained(paper, experiment, there, results)


def _trained(paper: Paper, experiment: Experiment, there: Environment, results: Results) -> EpochTime | None:
    for budget in (b for b in WHOLE_BUDGETS if experiment.has(b)):
        found = current_runs(paper, results, experiment.name, budget)
        runs = [run for run in found if measured_on(run.environment) == measured_on(there)]
        if runs:
            seconds = median(median(epoch.train_seconds for epoch in run.history) for run in runs)
            return f"{len(runs)} runs, budget {budget}", experiment.scale(budget).train_images, seconds
    return None


def _our_ratios(
    paper: Paper, results: Results, terms: tuple[Quantity, ...], budget: Budget
) -> Iterable[tuple[str, float]]:
    """Our ratios at one budget, on any machine, seed by seed or pass by pass, with budget and device."""
    given = answer(Question(terms, 0, inf, ratio=True), Selection(paper, results, budget, any_machine=True))
    source = f"ours, budget {budget}, {', '.join(sorted({results.devices[key] for key in given.runs}))}"
    return [(source, ratio) for ratio in given.on_its_scale]

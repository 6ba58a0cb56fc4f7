"""``sepconv`` and its commands, thin over the modules; ``sepconv --help`` lists them."""

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sepconv.results.records import BatchNorm, ResultError, Transfer
from sepconv.spec import Budget, InputError, Paper, Run, to_json

if TYPE_CHECKING:
    from sepconv.results.store import Results
    from sepconv.training.campaign import Folders

app = typer.Typer(help="Depthwise Separable Convolution, Reproduced.", no_args_is_help=True, add_completion=False)

bench = typer.Typer(help="Measure speed on this machine, an idle one.", no_args_is_help=True)
app.add_typer(bench, name="bench")

PaperKey = Annotated[str, typer.Argument(help="A paper's key.")]
PaperOrAll = Annotated[str, typer.Argument(help="A paper's key, or 'all'.")]
Experiments = Annotated[list[str] | None, typer.Argument(help="Experiments; all of the paper if none.")]
BudgetOption = Annotated[Budget, typer.Option(help="How much of the paper's schedule.")]
Papers = Annotated[list[str] | None, typer.Option("--paper", help="Only this paper; may be repeated.")]
ResultsFolder = Annotated[Path, typer.Option("--results", envvar="SEPCONV_RESULTS", help="Folder of results.")]
CheckpointsFolder = Annotated[Path, typer.Option("--checkpoints", help="Folder of checkpoints.")]
Seeds = Annotated[list[int] | None, typer.Option(help="Seeds, in order; may be repeated.", min=0, max=2**32 - 1)]
Cores = Annotated[int, typer.Option("--cores-per-run", help="On a cluster: cores of each run.", min=1)]
Gpus = Annotated[float, typer.Option("--gpus-per-run", help="On a cluster: GPUs of each run, or a fraction.", min=0)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RESULTS = Path("results")
CHECKPOINTS = Path("checkpoints")


def main() -> None:
    """Run the command line; bad input prints one line and exits with 2."""
    logging.basicConfig(format="%(levelname)s: %(message)s")
    try:
        app()
    except InputError as error:
        print(f"sepconv: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        raise
    except OSError as error:  # of any file or lock, wherever it was met
        print(f"sepconv: {error.filename or 'input or output'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(2)


@app.command("list")
def list_(paper: Papers = None, as_json: AsJson = False) -> None:
    """List papers, experiments and claims."""
    papers = _papers(paper)
    if as_json:
        print(json.dumps([to_json(p) for p in papers], indent=1))
        return
    for p in papers:
        print(f"{p.key}  {p.authors}: {p.title} ({p.year})")
        for e in p.experiments:
            budgets = [b.value for b in Budget if e.has(b)]
            print(f"  experiment  {e.name:24} {e.network.builder:28} {', '.join(budgets) or 'counted only'}")
        for c in p.claims:
            print(f"  claim       {c.id:36} {c.kind:9} {c.reported}")


@app.command()
def run(
    paper: PaperOrAll,
    experiment: Experiments = None,
    budget: BudgetOption = Budget.SMOKE,
    seed: Seeds = None,
    results: ResultsFolder = RESULTS,
    checkpoints: CheckpointsFolder = CHECKPOINTS,
    deadline: Annotated[
        float | None, typer.Option(help="Minutes after which to stop at an epoch's end.", min=0)
    ] = None,
    workers: Annotated[
        int, typer.Option(help="Runs at a time, each on its share of a CPU's cores; --dry-run says what is fastest.")
    ] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what is missing and what it would take.")
    ] = False,
    cluster: Annotated[
        str | None, typer.Option(help="Train on a Ray cluster: HOST:PORT of its head, auto, or local.")
    ] = None,
    cores: Cores = 1,
    gpus: Gpus = 0,
) -> None:
    """Train what is missing, in order of worth. Run it again to continue; finished runs are never repeated."""
    from sepconv.environment import check_backend
    from sepconv.training import campaign

    check_backend()
    wanted = _wanted(paper, experiment, budget, seed)
    folders = campaign.Folders(results, checkpoints)
    until = None if deadline is None else time.monotonic() + 60 * deadline
    campaign.shares(workers)
    if len(wanted) == workers == 1 and not dry_run and cluster is None:
        _run_one(wanted[0], folders, until)
        return
    queue = campaign.missing(wanted, results)
    print(f"{len(queue)} of {len(wanted)} runs are missing", flush=True)
    if not queue:
        return
    if cluster is None:
        device = campaign.this_device()
        campaign.check_workers(workers, device)
        workers = min(workers, len(queue))
        lines = campaign.queue_lines(queue, results, device, workers)
        train: Callable[..., list[str]] = partial(campaign.run_queue, workers=workers)
    else:
        lines, train = _on_cluster(cluster, cores, gpus, workers, queue, results)
    print("\n".join(lines), flush=True)
    if dry_run:
        return
    if failures := train(queue, folders, until):
        print("\n".join(failures), file=sys.stderr)
        raise typer.Exit(1)
    if left := campaign.missing(queue, results):
        print(f"{len(left)} of {len(wanted)} runs are still missing; run the same command again to continue")
        raise typer.Exit(campaign.STOPPED)


@app.command()
def data(
    offline: Annotated[
        bool, typer.Option("--offline", help="Never download; exit with 2 if they are not there.")
    ] = False,
) -> None:
    """Check the images of CIFAR-10 and CIFAR-100, and download them first where they are not there."""
    from sepconv.training import data

    if offline:
        os.environ[data.DOWNLOAD] = "no"
    for name in data.SOURCES:
        found = data.load(name)
        print(
            f"{name}: {len(found.train):,} training and {len(found.test):,} test images, SHA-256 {found.sha256[:12]}…"
        )


@app.command()
def leftovers(
    results: ResultsFolder = RESULTS,
    checkpoints: CheckpointsFolder = CHECKPOINTS,
    delete: Annotated[bool, typer.Option("--delete", help="Delete what nobody needs any more.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="With --delete: also what something could be continued from.")
    ] = False,
) -> None:
    """List what killed runs, writers and downloads have left: checkpoints, temporary files, parts of archives."""
    from sepconv.training import leftovers
    from sepconv.training.campaign import Folders

    found = list(leftovers.find(Folders(results, checkpoints)))
    print("\n".join(leftovers.lines(found)) or "nothing is left")
    unwanted = [each for each in found if delete and (everything or not each.needed)]
    for each in unwanted:
        each.delete()
    if delete:
        print(f"{len(unwanted)} of {len(found)} deleted")


@app.command()
def slurm(
    paper: PaperOrAll,
    experiment: Experiments = None,
    budget: BudgetOption = Budget.SMOKE,
    seed: Seeds = None,
    results: ResultsFolder = RESULTS,
    checkpoints: CheckpointsFolder = CHECKPOINTS,
    cores: Cores = 1,
    gpus: Annotated[int, typer.Option("--gpus-per-run", help="GPUs of each run.", min=0)] = 0,
    time_limit: Annotated[str, typer.Option("--time", help="Of each job, as sbatch takes it.")] = "4:00:00",
) -> None:
    """Print an sbatch array script that trains what is missing: a job for each run, queued again until it is done."""
    from sepconv.cluster.slurm import array_script
    from sepconv.training import campaign

    wanted = _wanted(paper, experiment, budget, seed)
    folders = campaign.Folders(results, checkpoints)
    print(array_script(campaign.missing(wanted, results), folders, cores, gpus, time_limit), end="")


@app.command()
def cost(paper: Papers = None, results: ResultsFolder = RESULTS) -> None:
    """Count parameters, mult-adds and bytes of every network, and write them to the results."""
    from sepconv.environment import check_backend

    check_backend()
    from sepconv.measuring.cost import ensure_costs

    ensure_costs(results, _papers(paper))


@bench.callback()
def _every_bench() -> None:
    from sepconv.environment import check_backend

    check_backend()


@bench.command()
def throughput(
    paper: PaperKey,
    experiment: Annotated[str, typer.Argument(help="Whose training is timed.")],
    budget: BudgetOption = Budget.SMOKE,
    images: Annotated[int | None, typer.Option(help="Images of an epoch; all of the budget if not given.")] = None,
    results: ResultsFolder = RESULTS,
) -> None:
    """Time whole training epochs against Keras's own loops. Does nothing but show where a result is there."""
    from sepconv.environment import keep_freed_memory
    from sepconv.measuring.throughput import ensure_throughput, throughput_lines

    keep_freed_memory()  # as a run does
    (found,) = _papers([paper])
    run = Run(paper, found.experiment(experiment), budget, seed=0)
    print("\n".join(throughput_lines(ensure_throughput(results, run, images))))


@bench.command()
def latency(
    paper: PaperKey,
    experiment: Annotated[list[str], typer.Argument(help="Whose networks are timed in turns.")],
    budget: BudgetOption = Budget.SMOKE,
    batch_norm: Annotated[BatchNorm, typer.Option(help="Mode of the batch norm.")] = "training",
    transfer: Annotated[Transfer, typer.Option(help="Where the images lie before.")] = "host",
    results: ResultsFolder = RESULTS,
) -> None:
    """Time inference against batch size; yu2021's way by default. Does nothing but show where a result is there."""
    from sepconv.measuring.latency import ensure_latencies, latency_lines

    (found,) = _papers([paper])
    print("\n".join(latency_lines(ensure_latencies(results, found, experiment, budget, batch_norm, transfer))))


@bench.command()
def memory(
    paper: PaperKey,
    experiment: Annotated[list[str], typer.Argument(help="Whose training steps are measured.")],
    results: ResultsFolder = RESULTS,
) -> None:
    """Measure the memory of a training step, in fresh processes, beside what is counted."""
    from sepconv.measuring.memory import ensure_memories, memory_lines
    from sepconv.results.store import read_all

    (found,) = _papers([paper])
    measured = ensure_memories(results, found, experiment)
    everything = read_all(results)
    print("\n".join(memory_lines(measured, [everything.cost_of(paper, name) for name in experiment])))


@bench.command()
def roofline(results: ResultsFolder = RESULTS, as_json: AsJson = False) -> None:
    """Measure what this device can do at most, and say how near to it each network has been trained."""
    from sepconv.measuring.roofline import ensure_roofline, roofline_lines
    from sepconv.report.frames import limits
    from sepconv.report.terminal import limit_lines
    from sepconv.results.store import read_all

    measured = ensure_roofline(results)
    frame = limits(_papers(None), read_all(results), [measured])
    if as_json:
        networks = json.loads(frame.to_json(orient="records"))
        print(json.dumps({"device": measured.model_dump(mode="json"), "networks": networks}, indent=1))
    else:
        print("\n".join([*roofline_lines(measured), *limit_lines(frame)]))


@bench.command()
def depthwise(
    batch: Annotated[int | None, typer.Option(help="At most so many images; the recipes' own if not given.")] = None,
    results: ResultsFolder = RESULTS,
) -> None:
    """Time every depthwise convolution of the networks, part by part, in each way that JAX can compute it."""
    from sepconv.measuring.depthwise import depthwise_lines, ensure_depthwise

    print("\n".join(depthwise_lines(ensure_depthwise(results, _papers(None), batch))))


@bench.command("cluster")
def bench_cluster(
    most: Annotated[int, typer.Option(help="Times that each disturbance is done, at most.", min=1)] = 20,
    results: ResultsFolder = RESULTS,
) -> None:
    """Kill, stop and starve a Ray cluster of this machine while it trains, and count what is left. Takes an hour."""
    from sepconv.cluster.chaos import cluster_line, ensure_clusters

    for measured in ensure_clusters(results, most):
        print(cluster_line(measured), flush=True)


@bench.command("scaling")
def bench_scaling(results: ResultsFolder = RESULTS) -> None:
    """Time how fast Ray clusters of this machine, of one to four nodes, train runs, and how busy the driver is."""
    from sepconv.cluster.scaling import ensure_scaling, scaling_lines

    print("\n".join(scaling_lines(ensure_scaling(results))))


@app.command()
def judge(paper: Papers = None, results: ResultsFolder = RESULTS, as_json: AsJson = False) -> None:
    """Judge every claim from the results. Exits with 1 if a file could not be read; all else is still judged."""
    from sepconv.report.terminal import judgement_lines
    from sepconv.results.store import read_all
    from sepconv.verdicts.judge import export, judge

    papers, broken = _readable(paper)
    found = read_all(results)
    problems = _problems(broken, found)
    if as_json:
        print(json.dumps(export(papers, found) | {"problems": problems}, indent=1))
    else:
        for p in papers:
            print("\n".join(judgement_lines(judge(p, found))))
    _report(problems)


@app.command()
def compare(
    theirs: Annotated[Path, typer.Argument(help="Another folder of results.")],
    paper: Papers = None,
    results: ResultsFolder = RESULTS,
) -> None:
    """Hold another folder of results against ours, claim by claim: changed verdicts first.

    What they have and we cannot compare is named after it. Exits with 1 if a file could not be read.
    """
    from sepconv.report.terminal import comparison_lines
    from sepconv.results.store import read_all
    from sepconv.verdicts.compare import compare, set_aside

    ours, others = read_all(results), read_all(theirs)
    if not others.everything and not others.problems:
        raise ResultError(f"{theirs}: expected results, PAPER/EXPERIMENT/NAME.json, found none; check the path")
    papers, broken = _readable(paper)
    compared = [comparison for p in papers for comparison in compare(p, ours, others)]
    aside = [reason for p in papers for reason in set_aside(p, ours, others)]
    print("\n".join(comparison_lines(compared, aside)))
    _report(_problems(broken, ours, others))


@app.command()
def merge(
    source: Annotated[Path, typer.Argument(help="The folder of results to take them from.")],
    results: ResultsFolder = RESULTS,
) -> None:
    """Add every result of another folder to ours. Nothing at all is added where one differs or is damaged."""
    from sepconv.results.store import merge

    print(f"{merge(source, results)} results were new")


@app.command()
def export(results: ResultsFolder = RESULTS) -> None:
    """Write what is made from results: claims.json and its schema; in the repository also what it keeps elsewhere."""
    from sepconv.report import exports

    made = exports.files(results)
    exports.write(made)
    print("\n".join(map(str, made)))


@app.command()
def new(name: Annotated[str, typer.Argument(help="Key of the new paper, such as nova2030.")]) -> None:
    """Write the module, page, excerpts, reference and line of contents of another paper. Run it in the repository."""
    from sepconv.report import new_paper

    print("\n".join(str(path.relative_to(Path.cwd())) for path in new_paper.write(Path.cwd(), name)))
    print(f"Next: fill them in, then sepconv cost --paper {name}, make reproduce PAPER={name}, make test")


@app.command()
def report(
    parameter: Annotated[list[str] | None, typer.Option("--parameter", "-p", help="name=value of a notebook.")] = None,
) -> None:
    """Execute the notebooks, build the book, write the exports, check all of it. Run it in the repository."""
    from sepconv.report import build, exports, gates

    root = Path.cwd()
    parameters = build.parse_parameters(root, parameter or [])
    build.execute(root, parameters)
    made = exports.files(build.results_folder(root, parameters), build.html(root))
    pages = {path: text for path, text in made.items() if path.is_relative_to(build.html(root))}
    exports.write({path: text for path, text in made.items() if path not in pages})  # of which the book shows some
    build.build(root)
    exports.write(pages)
    gates.check(root)


@app.command()
def pdf() -> None:
    """Print the whole book into one PDF beside the built pages. Run it in the repository, after report."""
    from sepconv.report import pdf

    print(pdf.write(Path.cwd()))


def _papers(keys: list[str] | None) -> tuple[Paper, ...]:
    from sepconv.papers import all_papers, paper

    return tuple(paper(key) for key in keys) if keys else all_papers()


def _on_cluster(
    address: str, cores: int, gpus: float, workers: int, queue: Sequence[Run], results: Path
) -> tuple[Iterator[str], Callable[..., list[str]]]:
    """What the queue would take on a Ray cluster, and what trains it there."""
    from sepconv.cluster.driver import Cluster, ClusterError, Share

    if workers > 1:
        raise ClusterError("expected --workers or --cluster, got both; a node trains as many runs as it has cores for")
    cluster = Cluster(address, Share(cores, gpus))
    return cluster.lines(queue, results), cluster.run_queue


def _wanted(paper: str, experiments: list[str] | None, budget: Budget, seeds: list[int] | None) -> list[Run]:
    """The runs that a command line names, done or not."""
    from sepconv.training import campaign

    return campaign.runs(_papers(None if paper == "all" else [paper]), budget, seeds or [0], experiments or [])


def _run_one(wanted: Run, folders: "Folders", until: float | None) -> None:
    from sepconv.environment import keep_freed_memory
    from sepconv.training import campaign
    from sepconv.training.checkpoint import Stopped

    keep_freed_memory()
    campaign.watch_parent()
    try:
        result = campaign.run_one(wanted, folders, until)
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        raise typer.Exit(campaign.STOPPED) from None
    if result is None:
        print(f"{wanted.key}: another process is training it; there is no result yet", file=sys.stderr)
        raise typer.Exit(campaign.BUSY)
    if result.final is None:
        print(f"{wanted.key}: diverged after epoch {len(result.history)}; the result says so", file=sys.stderr)
        raise typer.Exit(1)
    print(f"{wanted.key}: test accuracy {result.final.test_accuracy:.2f} %")


def _readable(keys: list[str] | None) -> tuple[tuple[Paper, ...], tuple[str, ...]]:
    """The papers asked for, and one line for each whose module states something that cannot be."""
    from sepconv.papers import load

    return (_papers(keys), ()) if keys else load()


def _problems(broken: tuple[str, ...], *found: "Results") -> list[str]:
    """A line for each paper or result that could not be read, and for each result that belongs to no paper."""
    from sepconv.papers import load
    from sepconv.verdicts.samples import unknown_results

    known, _ = load()
    unread = [problem for results in found for problem in results.problems]
    unknown = [] if broken else [line for results in found for line in unknown_results(known, results)]
    return [*broken, *unread, *unknown]


def _report(problems: list[str]) -> None:
    """Exit with 1 where there are any, naming each."""
    if problems:
        print("\n".join(problems), file=sys.stderr)
        raise typer.Exit(1)

"""Papers, runs and results made up for tests: of the real papers where what is in them does not matter, else of p."""

import json
from dataclasses import asdict, replace

import numpy as np

from sepconv.metrics import COST_METRICS
from sepconv.papers import paper
from sepconv.results.records import (
    BatchTime,
    ClusterResult,
    CostResult,
    Environment,
    Epoch,
    Final,
    LatencyResult,
    LoopTiming,
    MemoryResult,
    Product,
    RooflineResult,
    RunResult,
    ScalingResult,
    Seconds,
    ThroughputResult,
)
from sepconv.results.store import Results
from sepconv.spec import (
    Budget,
    Claim,
    Constant,
    Experiment,
    Network,
    Optimizer,
    Paper,
    Recipe,
    Run,
    to_json,
)
from sepconv.verdicts.samples import LATENCY_PROTOCOL

ENVIRONMENT = Environment(
    python="3.11.7",
    keras="3.15.1",
    backend="tensorflow",
    backend_version="2.21.0",
    numpy="2.4.6",
    device="cpu",
    accelerator=False,
    cores=2,
    system="Linux x86_64",
    git_commit="0" * 40,
)

HYPERPARAMETERS = {field for field in Recipe.__dataclass_fields__ if field != "sources"}
RECIPE = Recipe(
    epochs=8,
    batch_size=8,
    optimizer=Optimizer("adam"),
    schedule=Constant(1e-3),
    normalisation="unit",
    train_images=40_000,
    sources=dict.fromkeys(HYPERPARAMETERS, "test"),
)
A, B, C = (Experiment(name, Network(f"nets.{name}"), "cifar10", RECIPE, short_epochs=2) for name in "abc")
COUNTED = Experiment("counted", Network("nets.counted"), "cifar10")


class ScaledRun(Run):
    """A run of an experiment as small as a test wants it."""

    def __init__(self, paper, experiment, scale):
        super().__init__(paper, experiment, Budget.SMOKE, seed=0)
        object.__setattr__(self, "_scale", scale)

    scale = property(lambda self: self._scale)


def smoke(seed=0, experiment="conv"):
    return Run("tseng2020", paper("tseng2020").experiment(experiment), Budget.SMOKE, seed)


def result_of(run, train_seconds=2.0, device="cpu", accuracy=50.0):
    epochs = [
        Epoch(
            epoch=number + 1,
            learning_rate=1e-3,
            train_loss=1.5,
            train_accuracy=accuracy,
            val_loss=1.6,
            val_accuracy=accuracy,
            train_seconds=train_seconds,
            evaluate_seconds=1,
        )
        for number in range(run.scale.epochs)
    ]
    return RunResult(
        paper=run.paper,
        experiment=run.experiment.name,
        budget=run.budget,
        seed=run.seed,
        run_id=run.id,
        spec=run.spec,
        status="complete",
        history=tuple(epochs),
        final=Final(train_accuracy=accuracy, val_accuracy=accuracy, test_accuracy=accuracy, test_loss=1.6),
        seconds=Seconds(compile=1, train=sum(e.train_seconds for e in epochs), evaluate=1),
        peak_bytes=None,
        data_sha256="0" * 64,
        environment=ENVIRONMENT.model_copy(update={"device": device}),
    )


# --- of the paper p, which has the experiments A, B, C and COUNTED ---------------------------------------------------


def claim(check, kind, name="x"):
    return Claim(
        id=f"p.{name}", kind=kind, quote="q", where="Sec. 1", check=check, reported="93 %", criterion="as it says"
    )


def paper_of(*asked, metrics=(), **changes):
    named = [replace(c, id=f"p.claim-{i}") for i, c in enumerate(asked)]
    paper = Paper(
        key="p",
        title="T",
        authors="A",
        year=2020,
        venue="V",
        link="https://example.org",
        hardware="none",
        experiments=(A, B, C, COUNTED),
        claims=tuple(named),
        metrics=metrics,
    )
    return replace(paper, **changes)


def run_of(experiment, seed, accuracy=90.0, *, budget=Budget.PAPER, paper="p", **changes):
    """A run whose accuracies are all ``accuracy`` and whose times are 10 s an epoch on a GPU, unless changed."""
    run = Run(paper, experiment, budget, seed)
    epochs = run.spec["scale"]["epochs"]
    percent = dict.fromkeys(("train_accuracy", "val_accuracy"), accuracy)
    history = [
        {"epoch": n, "learning_rate": 1e-3, "train_loss": 1.0, "val_loss": 1.0, "train_seconds": 10.0}
        | {"evaluate_seconds": 1.0}
        | percent
        for n in range(1, epochs + 1)
    ]
    content = {
        "paper": paper,
        "experiment": experiment.name,
        "budget": budget,
        "seed": seed,
        "run_id": run.id,
        "spec": run.spec,
        "status": "complete",
        "history": history,
        "final": percent | {"test_accuracy": accuracy, "test_loss": 1.0, "batch_stats_accuracy": accuracy},
        "seconds": {"compile": 1.0, "train": 10.0 * epochs, "evaluate": 1.0},
        "peak_bytes": None,
        "data_sha256": "ab" * 32,
        "environment": environment(),
    }
    return RunResult.model_validate_json(json.dumps(content | changes))


def environment(device="H200", accelerator=True):
    return {
        "python": "3.11",
        "keras": "3.15",
        "backend": "jax",
        "backend_version": "0.7",
        "numpy": "2.4",
        "device": device,
        "accelerator": accelerator,
        "cores": 2,
        "system": "Linux",
        "git_commit": "0123abc",
    }


def runs_of(experiment, accuracies, **changes):
    return tuple(run_of(experiment, seed, accuracy, **changes) for seed, accuracy in enumerate(accuracies))


def timed(experiment, seconds, **changes):
    """Runs whose epochs take ``seconds``."""
    return tuple(
        run_of(
            experiment,
            seed,
            history=[asdict(e) | {"train_seconds": value} for e in run_of(experiment, seed).history],
            seconds={"compile": 1.0, "train": RECIPE.epochs * value, "evaluate": 1.0},
            **changes,
        )
        for seed, value in enumerate(seconds)
    )


def cost_of(experiment, paper="p", **counts):
    every = dict.fromkeys([*COST_METRICS, "activation_bytes"], 100) | counts
    return CostResult(
        paper=paper,
        experiment=experiment.name,
        network=to_json(experiment.network),
        batch_size=experiment.recipe.batch_size if experiment.recipe else None,
        layers=(),
        **every,
    )


def latency_of(experiment, passes, paper="p", protocol=("training", "host"), sizes=(4, 256), **machine):
    return LatencyResult.model_validate_json(
        json.dumps(
            {
                "paper": paper,
                "experiment": experiment.name,
                "budget": "paper",
                "images": 10_000,
                "batch_norm": protocol[0],
                "transfer": protocol[1],
                "seconds": {size: list(passes) for size in sizes},
                "environment": environment(**machine),
            }
        )
    )


def batches_of(experiment, milliseconds, paper="p", budget=Budget.PAPER, **machine):
    """Latencies in inference mode, images on the host: the median time of a batch, by batch size."""
    times = {size: BatchTime(p50=p50, p95=2 * p50, batches=100) for size, p50 in milliseconds.items()}
    return latency_of(experiment, [1.0], paper, ("inference", "host"), sizes=tuple(milliseconds), **machine).model_copy(
        update={"batch_times": times, "budget": budget}
    )


def _counts(random):
    return {metric: int(random.integers(100, 1000)) for metric in COST_METRICS}


def full_results(paper):
    """Results at the paper's budget of everything that a paper's claims could read."""
    trained = [e for e in paper.experiments if e.recipe]
    random = np.random.default_rng(0)
    return Results(
        runs=tuple(run_of(e, s, round(random.normal(80, 1), 2), paper=paper.key) for e in trained for s in range(3)),
        costs=tuple(cost_of(e, paper=paper.key, **_counts(random)) for e in paper.experiments),
        latencies=tuple(
            latency
            for e in trained
            for latency in (
                latency_of(e, random.uniform(1, 2, 3), paper=paper.key),
                batches_of(e, {1: random.uniform(1, 2), 64: random.uniform(1, 2)}, paper=paper.key),
            )
        ),
        throughputs=tuple(
            throughput_of(random.uniform(1, 2, 3), e.name, paper=paper.key, budget=Budget.PAPER) for e in trained
        ),
    )


def throughput_of(
    seconds=(2.0, 1.0, 4.0), experiment="conv", *, paper="tseng2020", budget=Budget.SMOKE, images=256, **environment
):
    fit = LoopTiming(compile=3, seconds=tuple(2 * s for s in seconds), losses=(2.5,) * 3)
    engine = LoopTiming(compile=1.5, seconds=seconds, losses=(2.25,) * 3)
    return ThroughputResult(
        paper=paper,
        experiment=experiment,
        budget=budget,
        images=images,
        batch_size=64,
        steps_per_execution=32,
        loops={"engine": engine, "fit": fit},
        environment=ENVIRONMENT.model_copy(update=environment),
    )


def roofline_of(**changes):
    return RooflineResult(
        copy_bytes=2_000_000_000,
        copy_seconds=(0.25, 0.1, 0.2),
        products={"float32": Product(size=1000, seconds=(0.02, 0.01, 0.04))},
        environment=ENVIRONMENT.model_copy(update=changes),
    )


def memory_of(experiment="conv", step_bytes=2_000_000, batch_size=64, **environment):
    return MemoryResult(
        paper="tseng2020",
        experiment=experiment,
        batch_size=batch_size,
        method="resident",
        step_bytes=step_bytes,
        repeats=(step_bytes - 1_000_000, step_bytes, step_bytes + 3_000_000),
        parts={"weights_and_slots": 500_000, "growth": 1_500_000},
        environment=ENVIRONMENT.model_copy(update=environment),
    )


def cluster_of(recovery_seconds=(4.0, 2.0, 9.0), lost=0, **environment):
    return ClusterResult(
        disturbance="node-killed",
        ray="2.60.0",
        nodes=3,
        heartbeat_seconds=6,
        runs=12,
        lost=lost,
        refused=1,
        changed=0,
        recovery_seconds=recovery_seconds,
        environment=ENVIRONMENT.model_copy(update=environment),
    )


def scaling_of(**environment):
    return ScalingResult(
        ray="2.60.0",
        runs=8,
        campaign_seconds={1: 200.0, 2: 120.0},
        trained_seconds={1: 40.0, 2: 60.0},
        driver_seconds=(0.03, 0.02, 0.01),
        beat_seconds=(0.002, 0.001, 0.001),
        environment=ENVIRONMENT.model_copy(update=environment),
    )


def sweep_of(experiment, seconds=((1, (0.3, 0.1, 0.2)), (16, (0.04, 0.05, 0.06))), key="tseng2020"):
    return LatencyResult(
        paper=key,
        experiment=experiment,
        budget=Budget.SMOKE,
        images=16,
        batch_norm=LATENCY_PROTOCOL[0],
        transfer=LATENCY_PROTOCOL[1],
        seconds=dict(seconds),
        environment=ENVIRONMENT,
    )


def shallow_network(dropout=0.5):
    """Shallow: in a deep network at its first steps batch norm blows rounding up to differences one can see."""
    import keras  # here, since most tests need no framework

    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(8, 3, strides=2),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            *([layers.Dropout(dropout)] if dropout else []),
            layers.Dense(10),
        ]
    )


def lowered_for_cuda(function, *arguments, donate=()):
    """A function as JAX hands it to the compiler of a GPU, which need not be there."""
    import jax
    from jax.sharding import AbstractDevice, AbstractMesh, use_abstract_mesh

    # From JAX 0.11 on, Pallas asks what kind of GPU it is.
    gpu = AbstractMesh((1,), ("x",), abstract_device=AbstractDevice("NVIDIA H100 80GB HBM3", None, "gpu"))
    with use_abstract_mesh(gpu):
        traced = jax.jit(function, donate_argnums=donate).trace(*arguments)
        return traced.lower(lowering_platforms=("cuda",)).as_text()

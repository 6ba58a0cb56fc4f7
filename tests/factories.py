"""Runs and results made up for tests that are not about what is in them."""

from sepconv.papers import paper
from sepconv.results import Environment, Epoch, Final, RunResult, Seconds
from sepconv.spec import Budget, Run

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


def smoke(seed=0, experiment="conv"):
    return Run("tseng2020", paper("tseng2020").experiment(experiment), Budget.SMOKE, seed)


def result_of(run, train_seconds=2.0, device="cpu"):
    epochs = [
        Epoch(
            epoch=number + 1,
            learning_rate=1e-3,
            train_loss=1.5,
            train_accuracy=50,
            val_loss=1.6,
            val_accuracy=50,
            train_seconds=train_seconds,
            evaluate_seconds=1,
        )
        for number in range(run.experiment.scale(run.budget).epochs)
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
        final=Final(train_accuracy=50, val_accuracy=50, test_accuracy=50, test_loss=1.6),
        seconds=Seconds(compile=1, train=sum(e.train_seconds for e in epochs), evaluate=1),
        peak_bytes=None,
        data_sha256="0" * 64,
        environment=ENVIRONMENT.model_copy(update={"device": device}),
    )

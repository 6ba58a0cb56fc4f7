"""The queue: order of worth, one training a run whoever asks, and an end at the next epoch when it is time."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from factories import ENVIRONMENT, result_of, smoke, throughput_of
from sepconv.papers import all_papers, paper
from sepconv.results import store
from sepconv.results.records import CostResult, Environment, ResultError
from sepconv.results.store import Results
from sepconv.spec import Budget, Run, SpecError
from sepconv.training import campaign, progress
from sepconv.training.campaign import Device, Estimate, Folders, Speeds
from sepconv.training.checkpoint import Stopped

CPU = Device("cpu", accelerator=False, cores=2)
FORK = multiprocessing.get_context("fork")  # children inherit the patched training


@pytest.fixture
def folders(tmp_path):
    return Folders(tmp_path / "results", tmp_path / "checkpoints")


@pytest.fixture
def training(monkeypatch):
    """Replace training by a function of the test; Keras is not even imported."""

    def replace_by(train):
        monkeypatch.setitem(sys.modules, "sepconv.training.trainer", SimpleNamespace(train=train))

    return replace_by


def forbidden(run, **_):
    raise AssertionError(f"{run.key} was trained again")


# --- the queue -------------------------------------------------------------------------------------------------------


def test_each_papers_order_is_kept_and_what_lacks_the_budget_is_left_out():
    (islam,) = (p for p in all_papers() if p.key == "islam2022")
    unstated = [replace(e, short_epochs=None) if e.name == "medium" else e for e in islam.experiments]
    names = [run.experiment.name for run in campaign.runs([replace(islam, experiments=unstated)], Budget.SHORT, [0])]
    trained = [e for e in islam.experiments if e.recipe and e.name not in ("medium", "large")]
    assert names == [
        *(e.name for e in trained if e.stage == "main"),
        "large",
        *(e.name for e in trained if e.stage == "ablation"),
    ]


def test_only_named_experiments():
    queue = campaign.runs([paper("tseng2020"), paper("islam2022")], Budget.SMOKE, [0], ["dsc", "conv"])
    assert [run.key for run in queue] == ["tseng2020/conv/smoke-seed-0", "tseng2020/dsc/smoke-seed-0"]


def test_unknown_names_are_refused():
    with pytest.raises(SpecError, match=r"unknown experiment cnov; known: .*conv, .*dsc"):
        campaign.runs([paper("tseng2020"), paper("islam2022")], Budget.SMOKE, [0], ["conv", "cnov"])


def test_a_name_that_two_papers_share_asks_for_the_paper():
    tseng = paper("tseng2020")
    other = replace(tseng, key="nova2030", claims=())
    with pytest.raises(SpecError, match=r"got conv of tseng2020, nova2030; name the paper$"):
        campaign.runs([tseng, other], Budget.SMOKE, [0], ["conv"])
    assert [run.key for run in campaign.runs([other], Budget.SMOKE, [0], ["conv"])] == ["nova2030/conv/smoke-seed-0"]


def test_a_named_experiment_without_the_budget_is_refused():
    with pytest.raises(SpecError, match="with the budget short, got vgg19"):
        campaign.runs(all_papers(), Budget.SHORT, [0], ["small", "vgg19"])


def test_missing_are_those_without_a_result(tmp_path):
    store.write(tmp_path, result_of(smoke(1)))
    assert campaign.missing([smoke(0), smoke(1), smoke(2)], tmp_path) == [smoke(0), smoke(2)]


def test_a_damaged_result_is_neither_there_nor_missing(tmp_path):
    path = store.write(tmp_path, result_of(smoke()))
    path.write_text(path.read_text().replace("50.0", "99.0"))
    with pytest.raises(ResultError, match="the file was changed"):
        campaign.missing([smoke()], tmp_path)


def test_the_estimate_is_from_the_fastest_run_on_that_device():
    found = Results(
        runs=(
            result_of(smoke(0), train_seconds=8),
            result_of(smoke(1), train_seconds=4),
            result_of(smoke(2), train_seconds=1, device="another"),
        )
    )
    wanted = Run("tseng2020", smoke().experiment, Budget.PAPER, 0)
    scale = wanted.experiment.scale(Budget.PAPER)
    expected = 4 / 256 * scale.epochs * (40_000 + 10_000 / 3)  # evaluation is one pass of three
    assert Speeds(found, CPU).seconds(wanted) == pytest.approx(expected)
    assert Speeds(found, replace(CPU, name="unknown")).seconds(wanted) is None
    assert Speeds(found, CPU).seconds(smoke(experiment="dsc")) is None


def cost_of(experiment, mult_adds, key="tseng2020"):
    everything_else = dict.fromkeys(CostResult.model_fields, 0) | {"kind": "cost", "schema_version": 1, "layers": ()}
    return CostResult.model_construct(
        **everything_else | {"paper": key, "experiment": experiment, "mult_adds": mult_adds}
    )


def test_what_was_never_measured_is_guessed_from_mult_adds_and_says_so():
    found = Results(
        runs=(result_of(smoke(), train_seconds=4), result_of(smoke(), train_seconds=1, device="another")),
        costs=(cost_of("conv", 100), cost_of("dsc", 250), cost_of("small", 50, "islam2022")),
    )
    small = Run("islam2022", paper("islam2022").experiment("small"), Budget.SMOKE, 0)
    assert Speeds(found, CPU).estimate(smoke()) == Estimate(pytest.approx(8 * 4 / 3), guessed=False)  # two epochs
    assert Speeds(found, CPU).estimate(smoke(experiment="dsc")) == Estimate(pytest.approx(20 * 4 / 3), guessed=True)
    assert Speeds(found, CPU).estimate(small) == Estimate(pytest.approx(4 * 4 / 3), guessed=True)
    assert Speeds(found, CPU).estimate(smoke(experiment="dsc-5")) is None  # not counted
    assert Speeds(found, replace(CPU, name="unknown")).estimate(smoke()) is None


def test_the_guess_is_at_the_speed_of_the_same_papers_networks():
    measured = Run("islam2022", paper("islam2022").experiment("small"), Budget.SMOKE, 0)
    found = Results(
        runs=(result_of(smoke(), train_seconds=4), result_of(measured, train_seconds=1000)),
        costs=(cost_of("conv", 100), cost_of("dsc", 250), cost_of("small", 50, "islam2022")),
    )
    assert Speeds(found, CPU).estimate(smoke(experiment="dsc")) == Estimate(pytest.approx(20 * 4 / 3), guessed=True)


@pytest.mark.parametrize(
    ("measured", "wanted", "equal"),
    [
        ("yu2021/cifar10-dw", "yu2021/cifar100-dw", True),
        ("islam2022/small", "islam2022/small-adam", True),
        ("islam2022/small", "islam2022/small-batch-128", True),
        ("islam2022/small", "islam2022/small-k3", False),
        ("tseng2020/conv", "tseng2020/da-conv", False),  # augmentation takes time too
        ("tseng2020/conv", "tseng2020/conv-bf16", False),
    ],
)
def test_the_estimate_is_from_the_fastest_experiment_with_an_equal_network(measured, wanted, equal):
    measured, wanted = (
        Run(key, paper(key).experiment(name), Budget.SMOKE, 0) for key, name in (measured.split("/"), wanted.split("/"))
    )
    slow, fast = result_of(wanted, train_seconds=8), result_of(measured, train_seconds=4)
    own = Speeds(Results(runs=(slow,)), CPU).seconds(wanted)
    assert Speeds(Results(runs=(slow, fast)), CPU).seconds(wanted) == pytest.approx(own / (2 if equal else 1))
    lent = Speeds(Results(runs=(fast,)), CPU).seconds(wanted)
    assert lent == (pytest.approx(own / 2) if equal else None)


def test_throughputs_count_for_equal_networks_too():
    timed = throughput_of(seconds=(2.0, 1.0, 4.0), experiment="cifar10-dw").model_copy(update={"paper": "yu2021"})
    wanted = Run("yu2021", paper("yu2021").experiment("cifar100-dw"), Budget.SMOKE, 0)
    expected = 2 * 2 * 4 / 3  # two epochs of 256 images and their evaluation, at 256 images in the median of 2 s
    assert Speeds(Results(throughputs=(timed,)), CPU).seconds(wanted) == pytest.approx(expected)
    foreign = timed.model_copy(update={"paper": "unknown"})
    assert Speeds(Results(throughputs=(foreign,)), CPU).seconds(wanted) is None


def on_cores(result, cores):
    return result.model_copy(update={"environment": ENVIRONMENT.model_copy(update={"cores": cores})})


def test_the_estimate_is_from_as_many_cores():
    found = Results(runs=(result_of(smoke(), train_seconds=4), on_cores(result_of(smoke(1), train_seconds=6), 1)))
    one, two = (Speeds(found, replace(CPU, cores=cores)).seconds(smoke()) for cores in (1, 2))
    assert one == pytest.approx(two * 6 / 4)
    assert Speeds(found, replace(CPU, cores=4)).seconds(smoke()) is None
    graphics = Environment.model_validate(ENVIRONMENT.model_dump() | {"device": "H200", "accelerator": True})
    fast = Results(runs=(result_of(smoke()).model_copy(update={"environment": graphics}),))
    assert Speeds(fast, Device("H200", accelerator=True, cores=64)).seconds(smoke()) is not None


def test_workers_take_what_the_first_free_one_takes(tmp_path):
    store.write(tmp_path, on_cores(result_of(smoke(7), train_seconds=45 * 60), 1))
    *_, total, advice = campaign.queue_lines([smoke(), smoke(1), smoke(2)], tmp_path, CPU, workers=2)
    assert total.startswith("On cpu, 2 cores with 2 workers this takes about 4 h 0 min in all")  # 2 h each
    assert advice == "Not measured at two numbers of workers: tseng2020/conv"


@pytest.mark.parametrize(
    ("one_core", "expected"),
    [(5, "--workers 2, 1.60 times --workers 1"), (10, "--workers 1, 1.25 times --workers 2")],
)
def test_the_fastest_number_of_workers_is_from_what_was_measured(tmp_path, one_core, expected):
    store.write(tmp_path, result_of(smoke(7), train_seconds=4))
    store.write(tmp_path, on_cores(result_of(smoke(8), train_seconds=one_core), 1))
    queue = [smoke(), smoke(1), smoke(experiment="dsc")]
    *_, total, advice, unknown = campaign.queue_lines(queue, tmp_path, CPU)
    assert total.startswith("On cpu, 2 cores this takes about")
    assert advice == f"Fastest by measurement for tseng2020/conv: {expected}"
    assert unknown == "Not measured at two numbers of workers: tseng2020/dsc"


def test_no_workers_are_proposed_where_there_is_no_choice(tmp_path):
    for device in (replace(CPU, cores=1), Device("H200", accelerator=True, cores=16)):
        *_, last = campaign.queue_lines([smoke()], tmp_path, device)
        assert last.startswith("On ")


@pytest.fixture
def four_cores(monkeypatch):
    monkeypatch.setattr(campaign, "available_cores", lambda: [0, 1, 4, 5])


@pytest.mark.parametrize(("workers", "expected"), [(1, [[0, 1, 4, 5]]), (2, [[0, 1], [4, 5]]), (3, [[0], [1], [4, 5]])])
def test_shares_are_disjoint_and_leave_no_core(four_cores, workers, expected):
    assert campaign.shares(workers) == expected


@pytest.mark.parametrize("workers", [-1, 0, 5])
def test_impossible_numbers_of_workers_are_refused(four_cores, workers):
    with pytest.raises(SpecError, match=f"expected --workers from 1 to 4, the cores of this machine, got {workers}"):
        campaign.check_workers(workers, CPU)


def test_an_accelerator_has_one_worker(four_cores):
    graphics = Device("H200", accelerator=True, cores=4)
    campaign.check_workers(1, graphics)
    with pytest.raises(SpecError, match="expected --workers 1 on H200, which one run has to itself, got 2"):
        campaign.check_workers(2, graphics)


def test_the_queue_says_what_each_run_and_all_take(tmp_path):
    store.write(tmp_path, result_of(smoke(7), train_seconds=45 * 60))
    first, second, total, _ = campaign.queue_lines([smoke(), smoke(experiment="dsc")], tmp_path, CPU)
    assert first.split() == ["1", "tseng2020/conv/smoke-seed-0", "2", "h", "0", "min"]
    assert second.split() == ["2", "tseng2020/dsc/smoke-seed-0", "unknown"]
    assert total == "On cpu, 2 cores this takes about 2 h 0 min in all, of which 0 s guessed, and 1 of 2 runs unknown"


def test_the_device_is_asked_elsewhere_and_may_be_unknown(monkeypatch, tmp_path):
    program = tmp_path / "program"
    sharing = 'test "$XLA_PYTHON_CLIENT_PREALLOCATE" = false || exit 1'  # else JAX takes most of a GPU's memory
    program.write_text(f"#!/bin/sh\n{sharing}\necho A warning\necho '[\"cpu\", false]'\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(campaign, "available_cores", lambda: [0, 1])
    assert campaign.this_device() == CPU
    program.write_text("#!/bin/sh\nexit 1\n")
    assert campaign.this_device().name == "an unknown device"


# --- one run ---------------------------------------------------------------------------------------------------------


def test_a_finished_run_is_never_repeated(folders, training):
    training(lambda run, **_: result_of(run))
    first = campaign.run_one(smoke(), folders)
    (folders.checkpoints / smoke().id).mkdir(exist_ok=True)
    training(forbidden)
    assert campaign.run_one(smoke(), folders) == first == store.find_run(folders.results, smoke())


def test_a_finished_run_leaves_no_checkpoint(folders, training):
    def train(run, checkpoints, **_):
        (checkpoints / run.id / "epoch-0001.ckpt").touch()
        (checkpoints / run.id / ".epoch-0002.ckpt.x7").touch()  # of a writer that was killed
        return result_of(run)

    training(train)
    campaign.run_one(smoke(), folders)
    assert not (folders.checkpoints / smoke().id).exists()


def _train_slowly(log, folders):
    def train(run, **_):
        with log.open("a") as file:
            file.write(f"{run.key}\n")
        time.sleep(0.2)
        return result_of(run)

    sys.modules["sepconv.training.trainer"] = SimpleNamespace(train=train)
    for seed in range(3):
        campaign.run_one(smoke(seed), folders)


def test_processes_on_one_folder_never_train_the_same_run_twice(folders, tmp_path):
    log = tmp_path / "trained"
    processes = [FORK.Process(target=_train_slowly, args=(log, folders)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert sorted(log.read_text().split()) == [smoke(seed).key for seed in range(3)]


def test_a_result_written_while_waiting_for_the_lock_is_taken(folders, training, monkeypatch):
    training(forbidden)
    monkeypatch.setattr(campaign, "ensure_folders", lambda _, folders: _write_by_another(folders))
    assert campaign.run_one(smoke(), folders) == result_of(smoke())


def _write_by_another(folders):
    folders.checkpoints.mkdir(parents=True)
    store.write(folders.results, result_of(smoke()))


STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture
def heard():
    """Every signal at its default, also where the suite was started with some ignored, as in the background."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in STOPS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("asked", STOPS)
def test_a_signal_asks_training_to_stop(folders, training, asked, capfd):
    def train(run, checkpoints, started, stop):
        assert [signal.getsignal(each) for each in STOPS] == before  # they end the process: nothing can be lost yet
        started(ENVIRONMENT)
        assert not stop()
        os.kill(os.getpid(), asked)
        assert stop()
        # A second one, whichever it is, does not wait for the epoch's end.
        assert [signal.getsignal(each) for each in STOPS] == [signal.SIG_DFL] * 3
        raise Stopped(run.key)

    before = [signal.getsignal(each) for each in STOPS]
    training(train)
    with pytest.raises(Stopped):
        campaign.run_one(smoke(), folders)
    assert [signal.getsignal(each) for each in STOPS] == before
    assert campaign.missing([smoke()], folders.results)
    assert "Stopping at the end of this epoch" in capfd.readouterr().err


def test_a_signal_that_is_ignored_stays_so(folders, training, monkeypatch):
    def train(run, started, stop, **_):
        started(ENVIRONMENT)
        os.kill(os.getpid(), signal.SIGHUP)
        assert not stop()
        return result_of(run)

    training(train)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    try:
        assert campaign.run_one(smoke(), folders) == result_of(smoke())
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_device_is_told_before_training_and_one_that_is_not_seen_too(folders, training, monkeypatch, capsys):
    def train(run, started, **_):
        started(ENVIRONMENT)
        told.append(capsys.readouterr().err)
        return result_of(run)

    told = []
    training(train)
    monkeypatch.setattr(campaign, "unseen_accelerator", lambda accelerator: "an unseen one" if not accelerator else "")
    campaign.run_one(smoke(), folders)
    assert told == ["tseng2020/conv/smoke-seed-0: training on cpu, 2 cores\nWARNING: an unseen one\n"]


@pytest.mark.parametrize(("seconds", "expected"), [(-1, True), (60, False), (None, False)])
def test_the_deadline_asks_training_to_stop(folders, training, seconds, expected):
    asked = []
    training(lambda run, stop, **_: asked.append(stop()) or result_of(run))
    campaign.run_one(smoke(), folders, None if seconds is None else time.monotonic() + seconds)
    assert asked == [expected]


@pytest.mark.parametrize("which", ["results", "checkpoints"])
def test_a_folder_that_cannot_be_written_is_told_before_training(folders, training, which):
    training(forbidden)
    getattr(folders, which).touch()
    with pytest.raises(ResultError, match=f"{which}/.+: expected a folder to write to, got: Not a directory"):
        campaign.run_one(smoke(), folders)


@pytest.mark.parametrize("place", ["tseng2020", "tseng2020/conv", "tseng2020/conv/.lock/"])
def test_a_blocked_folder_of_the_experiment_is_told_before_training(folders, training, place):
    training(forbidden)
    blocked = folders.results / place
    blocked.parent.mkdir(parents=True)
    blocked.mkdir() if place.endswith("/") else blocked.touch()
    with pytest.raises(ResultError, match=r"results/tseng2020/conv: expected a folder to write to, got: \w+"):
        campaign.run_one(smoke(), folders)


# --- many runs -------------------------------------------------------------------------------------------------------


def exits_with(monkeypatch, codes):
    """Replace ``sepconv run`` by programs that exit with these codes, and return the runs for which one started."""
    started = []

    def start(command, **_):
        started.append(smoke(int(command[command.index("--seed") + 1])))
        code = codes[len(started) - 1]
        return POPEN(["sh", "-c", f"kill -{-code} $$" if code < 0 else f"exit {code}"])

    monkeypatch.setattr(campaign.subprocess, "Popen", start)
    return started


POPEN = subprocess.Popen


QUEUE = [smoke(0), smoke(1), smoke(2)]


def test_a_failed_run_does_not_keep_the_others(folders, monkeypatch):
    started = exits_with(monkeypatch, [0, 1, 0])
    assert campaign.run_queue(QUEUE, folders) == ["tseng2020/conv/smoke-seed-1: exit code 1"]
    assert started == QUEUE


@pytest.mark.parametrize("code", [campaign.STOPPED, -signal.SIGTERM, -signal.SIGHUP])
def test_a_run_that_was_stopped_ends_the_queue(folders, monkeypatch, code):
    started = exits_with(monkeypatch, [0, code, 0])
    assert campaign.run_queue(QUEUE, folders) == []
    assert started == QUEUE[:2]


def test_a_killed_worker_costs_its_run_and_nothing_else(folders, monkeypatch):
    started = exits_with(monkeypatch, [-signal.SIGKILL, 0, 0])
    assert campaign.run_queue(QUEUE, folders, workers=WORKERS) == [
        "tseng2020/conv/smoke-seed-0: ended by SIGKILL; the same command continues it from its last checkpoint"
    ]
    assert started == QUEUE


WORKERS = min(2, len(campaign.available_cores()))
needs_two_cores = pytest.mark.skipif(WORKERS < 2, reason="needs two cores")


def stands_in(program, script, monkeypatch):
    program.write_text(f"#!/bin/sh\n{script}")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


@needs_two_cores
@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
def test_workers_train_at_once_each_on_its_cores(folders, tmp_path, monkeypatch):
    log = tmp_path / "log"
    script = f"grep Cpus_allowed_list /proc/self/status >>{log}\nwhile [ $(wc -l <{log}) -lt 2 ]; do sleep 0.02; done\n"
    stands_in(tmp_path / "program", script, monkeypatch)
    before = os.sched_getaffinity(0)
    assert campaign.run_queue(QUEUE, folders, workers=2) == []
    assert os.sched_getaffinity(0) == before
    lists = [line.split()[1] for line in log.read_text().splitlines()]
    assert len(lists) == 3
    assert len(set(lists[:2])) == 2  # the first two ran at once, for each waited for the other


@needs_two_cores
def test_sigterm_reaches_all_workers(folders, tmp_path, monkeypatch):
    log = tmp_path / "started"
    script = f"trap 'exit {campaign.STOPPED}' TERM\necho $$ >>{log}\nfor i in $(seq 400); do sleep 0.05; done\n"
    stands_in(tmp_path / "program", script, monkeypatch)
    process = FORK.Process(target=campaign.run_queue, args=(QUEUE, folders, None, 2))
    process.start()
    while not (log.exists() and log.read_text().count("\n") == 2):
        time.sleep(0.02)
    process.terminate()
    process.join(15)
    assert process.exitcode == 0
    pids = log.read_text().split()
    assert len(pids) == 2  # the third run was not started any more
    for pid in map(int, pids):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


WATCHING = """
import os, signal, sys, time
from pathlib import Path
from sepconv.training import campaign
campaign.watch_parent()
signal.signal(signal.SIGTERM, lambda *_: (Path(sys.argv[1]).write_text("saved"), os._exit(3)))
Path(sys.argv[1]).write_text("training")
time.sleep(60)
"""


def test_a_run_stops_at_its_epochs_end_when_its_queue_is_killed(folders, tmp_path, monkeypatch):
    told, program = tmp_path / "told", tmp_path / "watching.py"
    program.write_text(WATCHING)
    stands_in(tmp_path / "program", f"exec {sys.executable} {program} {told}\n", monkeypatch)
    process = FORK.Process(target=campaign.run_queue, args=(QUEUE, folders))
    process.start()
    wait_for(told, "training")
    process.kill()
    process.join()
    wait_for(told, "saved")


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGHUP])
def test_ctrl_c_reaches_the_run_once_and_the_queue_ends_after_it(folders, tmp_path, monkeypatch, asked):
    log = tmp_path / "log"
    script = f"trap 'echo stop >>{log}; sleep 0.5; exit {campaign.STOPPED}' TERM INT HUP\necho start >>{log}\n"
    stands_in(tmp_path / "program", script + "for i in $(seq 400); do sleep 0.05; done\n", monkeypatch)
    process = FORK.Process(target=_in_a_group_of_its_own, args=(QUEUE, folders))
    process.start()
    wait_for(log, "start\n")
    os.killpg(process.pid, asked)  # as a terminal does it
    process.join(20)
    assert process.exitcode == 0
    assert log.read_text() == "start\nstop\n"


def _in_a_group_of_its_own(*arguments):
    os.setpgrp()
    campaign.run_queue(*arguments)


@pytest.mark.usefixtures("heard")
def test_a_signal_that_comes_to_another_thread_is_handled_before_the_run_ends(folders, tmp_path, monkeypatch):
    log = tmp_path / "log"
    script = f"trap 'echo stop >>{log}; exit {campaign.STOPPED}' TERM\necho start >>{log}\n"
    stands_in(tmp_path / "program", script + "for i in $(seq 400); do sleep 0.05; done\n", monkeypatch)

    def ask():
        wait_for(log, "start\n")
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)  # does not wake the main thread

    asking = threading.Thread(target=ask)
    asking.start()
    assert campaign.run_queue(QUEUE, folders) == []
    asking.join()
    assert log.read_text() == "start\nstop\n"


def wait_for(path, text, seconds=30):
    until = time.monotonic() + seconds
    while not (path.exists() and path.read_text() == text):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_the_bars_of_workers_come_through_pipes_into_their_lines(folders, tmp_path, monkeypatch):
    script = "printf '%s' \"$SEPCONV_PROGRESS $TQDM_BAR_FORMAT\" | head -c 11\necho\necho a warning >&2\n"
    script += "printf 'progress|seed: 1/2\\rprogress|seed: 2/2\\r'\n"
    stands_in(tmp_path / "program", script, monkeypatch)
    states, written = [], []
    bar = SimpleNamespace(set_description_str=states.append)
    monkeypatch.setattr(progress.tqdm, "write", written.append)
    crew = campaign._Crew([smoke()], folders, None)
    crew.work(None, bar)
    assert states == ["seed: 1/2", "seed: 2/2"]
    assert written == ["1 progress|", "a warning"]


def test_nothing_is_shown_where_there_is_no_terminal(monkeypatch):
    with progress.displays(2) as bars:
        assert list(bars) == [None, None]
    monkeypatch.delenv("SEPCONV_PROGRESS", raising=False)
    assert progress.hidden() is None
    monkeypatch.setenv("SEPCONV_PROGRESS", "1")
    assert progress.hidden() is False


def test_nothing_is_started_after_the_deadline(folders, monkeypatch):
    started = exits_with(monkeypatch, [0, 0, 0])
    campaign.run_queue(QUEUE, folders, deadline=time.monotonic() - 1)
    assert started == []


def test_sigterm_reaches_the_run_and_ends_the_queue(folders, tmp_path, monkeypatch):
    log, program = tmp_path / "started", tmp_path / "program"
    program.write_text(
        f"#!/bin/sh\ntrap 'exit {campaign.STOPPED}' TERM\necho $$ >>{log}\nfor i in $(seq 100); do sleep 0.05; done\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    process = FORK.Process(target=campaign.run_queue, args=(QUEUE, folders))
    process.start()
    while not (log.exists() and log.read_text().endswith("\n")):
        time.sleep(0.02)
    process.terminate()
    process.join(20)
    assert process.exitcode == 0
    (pid,) = log.read_text().split()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


# --- for real --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@needs_two_cores
def test_two_workers_finish_what_one_run_each_would(tmp_path, cifar10, cifar_folder):
    folders = ["--results", str(tmp_path / "results"), "--checkpoints", str(tmp_path / "checkpoints")]
    command = [sys.executable, "-m", "sepconv", "run", "tseng2020", "conv", "--seed", "0", "--seed", "1", *folders]
    ran = subprocess.run([*command, "--workers", "2"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "with 2 workers" in ran.stdout
    results = [store.find_run(tmp_path / "results", smoke(seed)) for seed in (0, 1)]
    assert [len(result.history) for result in results] == [2, 2]
    assert [result.environment.cores for result in results] == [len(share) for share in campaign.shares(2)]
    assert "epoch" not in ran.stderr  # no bar where there is no terminal

"""A Ray cluster: what nodes answer, what the driver makes of it, and two nodes for real."""

import fcntl
import os
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
import typer
import yaml

from factories import ENVIRONMENT, cluster_of, result_of, scaling_of, smoke
from sepconv import cli
from sepconv.cluster import chaos, driver, node, scaling
from sepconv.cluster.driver import Cluster, ClusterError, Share
from sepconv.cluster.node import Answer, Task
from sepconv.papers import paper
from sepconv.report import frames
from sepconv.results import store
from sepconv.results.records import ResultError
from sepconv.spec import Run
from sepconv.training import campaign
from sepconv.training.campaign import Device, Folders, Speeds

POPEN = subprocess.Popen
ROOT = Path(__file__).resolve().parents[1]


# --- a node ----------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """What a task sets in the environment of its worker does not outlast a test."""
    monkeypatch.setattr(node, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(node.tempfile, "gettempdir", lambda: str(tmp_path))
    with patch.dict(os.environ):
        yield


@pytest.fixture
def task(tmp_path):
    run = smoke()
    return Task(
        paper=run.paper,
        experiment=run.experiment.name,
        budget="smoke",
        seed=0,
        run_id=run.id,
        results=str(tmp_path / "results"),
        checkpoints=str(tmp_path / "checkpoints"),
        cores=1,
        gpus=0,
        variables={},
        data="",
    )


@pytest.fixture
def trains(monkeypatch):
    """Replace the run's process by a shell script, whose first argument is the folder of results."""

    def replace_by(script):
        def start(_run, folders, _minutes, *, shown):
            assert shown
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
            return POPEN(["sh", "-c", script, "sh", str(folders.results)], text=True, **pipes)

        monkeypatch.setattr(campaign, "fresh_process", start)

    return replace_by


class Listener:
    """A driver that hears what a node reports, and asks for a stop once it has heard ``until``."""

    def __init__(self, until=None):
        self.lines, self.bars, self.until = [], [], until

    def __call__(self, lines, bar):
        self.lines += lines
        self.bars.append(bar)
        return self.until is not None and any(self.until in line for line in self.lines)


def test_a_node_answers_with_the_file_that_its_run_wrote(task, trains):
    written = store.write(Path(task.results), result_of(smoke()))
    trains("echo tseng2020/conv/smoke-seed-0: test accuracy 50.00 %; printf 'progress|1/2\\rprogress|2/2\\r'")
    heard = Listener()
    answer = node.train(task, heard)
    assert answer == Answer(0, "tseng2020/conv/smoke-seed-0: test accuracy 50.00 %", written.read_bytes())
    assert "starts from its first epoch on" in heard.lines[0]
    assert heard.lines[1:] == [answer.last_line]
    assert heard.bars[-1] == "progress|2/2"


def test_a_node_says_from_which_epoch_it_continues(task, trains):
    folder = Path(task.checkpoints) / smoke().id
    folder.mkdir(parents=True)
    for epoch in (5, 10):
        (folder / f"epoch-{epoch:04d}.ckpt").touch()
    trains("true")
    heard = Listener()
    node.train(task, heard)
    assert "continues after epoch 10 on" in heard.lines[0]


def test_a_scratch_folder_takes_the_place_of_the_shared_ones(task, trains, tmp_path):
    os.environ["SEPCONV_SCRATCH"] = str(tmp_path / "own")
    store.write(tmp_path / "own" / "results", result_of(smoke()))
    trains('test "$1" = "$SEPCONV_SCRATCH/results"')
    answer = node.train(task, Listener())
    assert (answer.code, answer.result is not None) == (0, True)


def test_a_node_with_another_recipe_trains_nothing(task, trains):
    trains("echo trained; exit 1")
    answer = node.train(replace(task, run_id="0" * 16), Listener())
    assert not answer.node_is_fit
    assert f"expected run {'0' * 16} for tseng2020/conv/smoke-seed-0, got {smoke().id}" in answer.last_line
    unknown = node.train(replace(task, experiment="cnov"), Listener())
    assert not unknown.node_is_fit


def test_a_node_without_images_is_told_from_a_run_that_is_at_fault(task, trains, tmp_path, monkeypatch):
    trains("echo sepconv: this run is refused; exit 2")
    os.environ["SEPCONV_DATA"] = str(tmp_path / "nowhere")
    answer = node.train(task, Listener())
    assert (answer.code, answer.node_is_fit) == (2, False)
    assert "nowhere: expected cifar-10-batches-py/" in answer.last_line
    monkeypatch.setattr(node.data, "load", lambda _: None)
    assert node.train(task, Listener()) == Answer(2, "sepconv: this run is refused", None)


def test_a_node_that_cannot_write_is_not_fit(task, trains, monkeypatch):
    monkeypatch.setattr(node.data, "load", lambda _: None)
    trains("exit 2")
    Path(task.results).touch()
    answer = node.train(task, Listener())
    assert not answer.node_is_fit
    assert "expected a folder to write to" in answer.last_line


def test_a_run_stops_where_the_driver_asks_for_it(task, trains):
    trains("trap 'exit 3' TERM; echo begun; for i in $(seq 200); do sleep 0.05; done")
    assert node.train(task, Listener(until="begun")).code == campaign.STOPPED


def test_a_run_that_nobody_hears_of_stops(task, trains):
    trains("trap 'exit 3' TERM; echo begun; for i in $(seq 200); do sleep 0.05; done")
    heard = Listener()

    def beat(lines, bar):
        heard(lines, bar)
        if "begun" in heard.lines:
            raise ConnectionError("the driver is gone")
        return False

    assert node.train(task, beat).code == campaign.STOPPED


def test_a_task_that_comes_after_the_stop_starts_nothing(task, trains):
    trains("echo trained")
    heard = Listener(until="starts from")
    assert node.train(task, heard) == Answer(campaign.STOPPED, "", None)
    assert "trained" not in heard.lines


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="binds on Linux only")
def test_a_run_is_bound_to_a_core_that_no_other_has(task, trains, tmp_path, monkeypatch):
    cores = sorted(os.sched_getaffinity(0))
    (tmp_path / f"sepconv-cores-{os.getuid()}").mkdir()
    with (tmp_path / f"sepconv-cores-{os.getuid()}" / f"{cores[0]}.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        trains("grep Cpus_allowed_list /proc/self/status")
        free = cores[1] if len(cores) > 1 else cores[0]  # too few are free: the first
        assert node.train(task, Listener()).last_line.split()[1] == str(free)
    assert node.train(task, Listener()).last_line.split()[1] == str(cores[0])
    assert sorted(os.sched_getaffinity(0)) == cores
    unbound = node.train(replace(task, cores=None), Listener()).last_line.split()[1]
    assert (
        unbound
        == subprocess.run(
            ["sh", "-c", "grep Cpus_allowed_list /proc/self/status"], capture_output=True, text=True
        ).stdout.split()[1]
    )


def test_the_environment_is_the_drivers_but_for_rays_threads(task, trains):
    os.environ |= {"OMP_NUM_THREADS": "1", "SEPCONV_DATA": "/own"}
    trains('echo "$KERAS_BACKEND ${OMP_NUM_THREADS-unset} $SEPCONV_DATA ${XLA_PYTHON_CLIENT_MEM_FRACTION-whole}"')
    task = replace(task, variables={"KERAS_BACKEND": "jax"}, data="/drivers")
    assert node.train(task, Listener()).last_line == "jax unset /own whole"
    del os.environ["SEPCONV_DATA"]
    asked = replace(task, variables={"OMP_NUM_THREADS": "4"}, gpus=0.25)
    assert node.train(asked, Listener()).last_line == "jax 4 /drivers 0.225"
    assert node.share_of_gpu(1) == node.share_of_gpu(2) == node.share_of_gpu(0) == {}


# --- the driver ------------------------------------------------------------------------------------------------------


class FakeCluster:
    """Answers at once, as ``answers`` says for each time that a run is given out; what is not said is a success."""

    def __init__(self, answers=(), slots=2):
        self.answers, self.slots = list(answers), slots
        self.given, self.most, self.left_out, self.given_up, self.stopped = [], 0, [], [], False
        self._open = 0

    def submit(self, run, folders):
        self.given.append(run)
        self._open += 1
        self.most = max(self.most, self._open)
        return len(self.given) - 1

    def wait(self, references):
        return references[:1]

    def answer(self, reference):
        self._open -= 1
        run = self.given[reference]
        said = self.answers[reference] if reference < len(self.answers) else None
        return "node", said or Answer(0, "", content_of(result_of(run)))

    def give_up(self, reference):
        self.given_up.append(reference)
        self._open -= 1

    def leave_out(self, name, why):
        self.left_out.append((name, why))

    def stop(self):
        self.stopped = True


def content_of(result):
    with driver.TemporaryDirectory() as folder:
        return store.write(Path(folder), result).read_bytes()


QUEUE = [smoke(seed) for seed in range(6)]


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Work a queue off on a fake cluster; gives the failures."""
    monkeypatch.setattr(driver, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(driver, "BUSY_SECONDS", 0.02)

    def to_the_end(cluster, queue=QUEUE, deadline=None, before_each=lambda _: None):
        tasks = driver._Tasks(cluster, queue, Folders(tmp_path / "results", tmp_path / "checkpoints"), deadline)
        while True:
            before_each(tasks)
            if not tasks.go_on():
                return tasks.failures

    return to_the_end


def results_in(tmp_path):
    return [run.seed for run in QUEUE if store.find_run(tmp_path / "results", run)]


def test_runs_are_given_out_in_order_and_no_more_than_train_at_once_and_a_few(work, tmp_path):
    cluster = FakeCluster(slots=2)
    assert work(cluster) == []
    assert cluster.given == QUEUE
    assert cluster.most == 3
    assert results_in(tmp_path) == [0, 1, 2, 3, 4, 5]


def test_an_error_of_the_run_itself_is_not_tried_again(work, tmp_path):
    cluster = FakeCluster([None, Answer(1, "ValueError: no", None)])
    assert work(cluster) == ["tseng2020/conv/smoke-seed-1: exit code 1: ValueError: no"]
    assert cluster.given == QUEUE
    assert results_in(tmp_path) == [0, 2, 3, 4, 5]


def test_a_run_that_diverged_has_its_result_and_counts_as_failed(work, tmp_path):
    diverged = result_of(smoke()).model_copy(update={"status": "diverged", "final": None, "history": ()})
    failures = work(FakeCluster([Answer(1, "diverged", content_of(diverged))]), QUEUE[:1])
    assert failures == ["tseng2020/conv/smoke-seed-0: exit code 1: diverged"]
    assert store.find_run(tmp_path / "results", smoke()) == diverged


@pytest.mark.parametrize("code", [campaign.STOPPED, campaign.BUSY, -signal.SIGKILL])
def test_a_run_that_was_stopped_killed_or_busy_is_given_out_again(work, tmp_path, code):
    cluster = FakeCluster([Answer(code, "", None)])
    assert work(cluster) == []
    assert cluster.given.count(QUEUE[0]) == 2
    assert results_in(tmp_path) == [0, 1, 2, 3, 4, 5]


def test_a_run_that_is_killed_again_and_again_is_given_up(work):
    cluster = FakeCluster([Answer(-signal.SIGKILL, "", None)] * 20)
    (failure,) = work(cluster, QUEUE[:1])
    assert failure.startswith("tseng2020/conv/smoke-seed-0: ended by SIGKILL")
    assert len(cluster.given) == 1 + driver.MOST_KILLS


def test_a_node_that_cannot_train_is_left_out_and_its_run_given_to_another(work, tmp_path):
    cluster = FakeCluster([Answer(2, "no images", None, node_is_fit=False)])
    assert work(cluster) == []
    assert cluster.left_out == [("node", "no images")]
    assert cluster.given.count(QUEUE[0]) == 2
    assert results_in(tmp_path) == [0, 1, 2, 3, 4, 5]


def test_nothing_is_given_out_after_the_deadline(work):
    cluster = FakeCluster()
    assert work(cluster, deadline=time.monotonic() - 1) == []
    assert cluster.stopped
    assert cluster.given == []


def test_after_a_stop_what_was_given_out_is_taken_back_and_nothing_else(work, tmp_path):
    cluster = FakeCluster([None, Answer(campaign.STOPPED, "", None)])

    def stop_after_the_first(tasks):
        if len(results_in(tmp_path)) == 1 and not cluster.stopped:
            tasks.stop()

    assert work(cluster, before_each=stop_after_the_first) == []
    assert len(cluster.given) == 3
    assert cluster.stopped
    assert results_in(tmp_path) == [0, 2]


def test_a_stop_does_not_wait_for_nodes_that_are_gone(work):
    cluster = FakeCluster()
    cluster.wait = lambda _: []

    def lose_all_nodes(tasks):
        if cluster.given:
            cluster.slots = 0
            tasks.stop()

    assert work(cluster, before_each=lose_all_nodes) == []
    assert len(cluster.given) == 3


def test_asked_twice_it_ends_at_once(tmp_path):
    tasks = driver._Tasks(FakeCluster(), QUEUE, Folders(tmp_path, tmp_path), None)
    tasks.stop()
    with pytest.raises(KeyboardInterrupt):
        tasks.stop(signal.SIGINT, None)


def test_of_two_results_of_a_run_the_first_stays(tmp_path):
    first, slower, other = (result_of(smoke(), **changes) for changes in ({}, {"train_seconds": 9.0}, {"accuracy": 51}))
    assert driver.take_in(tmp_path, smoke(), content_of(first)) == ""
    assert driver.take_in(tmp_path, smoke(), content_of(first)) == ""
    refused = "tseng2020/conv/smoke-seed-0: a second result with {} numbers was refused; the first stays"
    assert driver.take_in(tmp_path, smoke(), content_of(slower)) == refused.format("the same")
    assert driver.take_in(tmp_path, smoke(), content_of(other)) == refused.format("other")
    assert store.find_run(tmp_path, smoke()) == first


def test_what_is_no_result_of_that_run_is_not_taken_in(tmp_path, work):
    good = content_of(result_of(smoke()))
    for content in (b"{", good.replace(b"50.0", b"99.0"), content_of(result_of(smoke(1)))):
        with pytest.raises(ResultError):
            driver.take_in(tmp_path / "results", smoke(), content)
    assert not (tmp_path / "results").exists()
    failures = work(FakeCluster([Answer(0, "", b"{")]))
    assert len(failures) == 1
    assert results_in(tmp_path) == [1, 2, 3, 4, 5]


def test_a_disk_that_is_full_costs_no_other_run(work, tmp_path, monkeypatch):
    write = driver.write

    def full(folder, result):
        if result.seed == 1:
            raise ResultError("cannot be written: No space left on device")
        return write(folder, result)

    monkeypatch.setattr(driver, "write", full)
    assert work(FakeCluster()) == ["cannot be written: No space left on device"]
    assert results_in(tmp_path) == [0, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("share", "expected"),
    [(Share(1), 8), (Share(3), 2), (Share(1, 1), 2), (Share(1, 0.25), 8), (Share(1, 0.1), 8), (Share(2, 0.3), 4)],
)
def test_slots_of_a_node(share, expected):
    assert share.slots({"CPU": 8.0, "GPU": 2.0}) == expected
    assert share.slots({}) == 0


def test_ray_is_asked_for_only_where_it_is_used(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        ClusterError, match=r"^expected Ray, got: .+; install it with pip install 'sepconv\[cluster\]'$"
    ):
        Cluster("auto", Share())


@pytest.mark.parametrize("address", ["nonsense", "localhost:", "localhost:99999", ":", "127.0.0.1:9"])
def test_an_address_without_a_cluster_is_one_line(address):
    with pytest.raises(
        ClusterError, match=f"^--cluster {address}: expected auto, local or HOST:PORT of the head"
    ) as told:
        driver._check_address(address)
    assert "\n" not in str(told.value)


def test_variables_that_change_numbers_travel(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_deterministic_ops=true")
    monkeypatch.setenv("HOME", "/home/somebody")
    variables = driver._variables()
    assert variables["KERAS_BACKEND"] == "jax"
    assert variables["XLA_FLAGS"] == "--xla_gpu_deterministic_ops=true"
    assert "HOME" not in variables


def test_the_board_keeps_bars_of_what_runs_and_tells_each_line_once():
    board = driver._board_class()()
    assert not board.beat("a", ["one"], "progress|a")
    board.beat("b", ["two"], "progress|b")
    assert board.take(["b", "c"], 60) == (["one", "two"], ["progress|b"], [])
    assert board.take(["b", "c"], 60) == ([], ["progress|b"], [])
    board.stop()
    assert board.beat("b", [], "")


def test_the_board_names_once_what_has_ceased_to_report():
    seconds = 0.0
    board = driver._board_class(lambda: seconds)()
    board.beat("a", [], "")
    seconds = 20.0
    board.beat("b", [], "")
    seconds = 31.0
    assert board.take(["a", "b", "not begun"], 30) == ([], [], ["a"])
    assert board.take(["a", "b", "not begun"], 30) == ([], [], [])
    board.beat("a", [], "")
    seconds = 62.0
    assert board.take(["a", "b", "not begun"], 30)[2] == ["a", "b"]


def test_a_run_whose_node_is_silent_is_given_out_again_and_its_late_answer_not_heard(work, tmp_path, capsys):
    cluster = FakeCluster([Answer(1, "too late", None)])

    def silent_once(tasks):
        if len(cluster.given) == 3 and not cluster.given_up:
            tasks.give_again([QUEUE[0].key, "unknown"])

    cluster.wait = lambda references: references[-1:]  # the first is still out when it is found silent
    assert work(cluster, before_each=silent_once) == []
    assert cluster.given_up == [0]
    assert cluster.given.count(QUEUE[0]) == 2
    assert results_in(tmp_path) == [0, 1, 2, 3, 4, 5]
    assert "tseng2020/conv/smoke-seed-0: its node has not reported for 20 s" in capsys.readouterr().out


def test_a_node_that_lost_the_race_on_a_shared_disk_is_no_failure(work, tmp_path):
    store.write(tmp_path / "results", result_of(smoke()))
    answer = Answer(2, "another result lies there", content_of(result_of(smoke())))
    assert work(FakeCluster([answer]), QUEUE[:1]) == []


# --- the command line and the book -----------------------------------------------------------------------------------


@pytest.fixture
def refused(monkeypatch, capsys, tmp_path):
    """The line that ``sepconv run`` prints on a cluster, where it trains nothing."""

    def call(*options):
        arguments = ["run", "tseng2020", "conv", "--results", str(tmp_path / "results"), "--cluster", *options]
        monkeypatch.setattr(sys, "argv", ["sepconv", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 2
        assert not (tmp_path / "results").exists()
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return call


def test_without_ray_the_command_says_how_to_get_it(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert refused("auto").startswith("sepconv: expected Ray, got: ")


def test_workers_are_of_one_machine(refused):
    assert refused("auto", "--workers", "2") == (
        "sepconv: expected --workers or --cluster, got both; a node trains as many runs as it has cores for"
    )


def test_what_a_cluster_survives_is_a_table_and_lines(tmp_path):
    cluster = cluster_of(recovery_seconds=(4.0, 2.0, 9.06), lost=1)
    store.write(tmp_path, cluster)
    found = store.read_all(tmp_path)
    assert found.clusters == (cluster,)
    (row,) = frames.disturbances(found).to_dict("records")
    assert row == {
        "disturbance": "node killed",
        "times": 3,
        "runs": 12,
        "lost": 1,
        "with other numbers": 0,
        "second results refused": 1,
        "median recovery (s)": 4.0,
        "longest recovery (s)": 9.1,
        "machine": "cpu-2-cores",
    }
    assert chaos.cluster_line(cluster) == (
        "node-killed, 3 times: of 12 runs 1 lost, 0 changed, 1 second results refused; "
        "recovered in 4.0 s, 9.1 s at most"
    )


def test_scaling_is_a_table_and_lines(tmp_path):
    store.write(tmp_path, scaling_of())
    found = store.read_all(tmp_path)
    assert found.scalings == (scaling_of(),)
    one, two = frames.scaling(found).to_dict("records")
    assert one == {
        "nodes of one core": 1,
        "runs": 8,
        "seconds": 200,
        "runs per hour": 144,
        "start of a run (s)": 20.0,  # 200 s for 8 runs, of which 40 s are training
        "driver per run (ms)": 20.0,
        "driver per report (ms)": 1.0,
        "machine": "cpu-2-cores",
    }
    assert (two["nodes of one core"], two["runs per hour"]) == (2, 240)
    assert scaling.scaling_lines(scaling_of()) == [
        "1 nodes of one core: 144 runs an hour",
        "2 nodes of one core: 240 runs an hour",
        "a run starts and ends in 20.0 s beside its training",
        "the driver takes 20.0 ms for each run, and 1.00 ms for each report of one",
    ]


def test_many_nodes_are_simulated_with_what_was_measured_of_one_core(monkeypatch):
    conv = paper("tseng2020").experiment("conv")
    monkeypatch.setattr(
        frames.clusters, "runs", lambda _, budget, seeds: [Run("tseng2020", conv, budget, seed) for seed in seeds]
    )
    monkeypatch.setattr(frames.clusters, "BETWEEN_FAILURES", float("inf"))
    trained = result_of(smoke(), train_seconds=3.0)
    one_core = trained.model_copy(update={"environment": ENVIRONMENT.model_copy(update={"cores": 1})})
    found = store.Results(runs=(one_core,), scalings=(scaling_of(),))
    table = frames.simulated(found).set_index(["budget", "nodes"])
    run = Speeds(found, Device("cpu", accelerator=False, cores=1)).seconds(smoke())
    hours = {1: 10 * (20.02 + run), 10: 20 + run + 10 * 0.02, 100: 20 + run + 10 * 0.02}  # each starts for 20 s
    for nodes, seconds in hours.items():
        row = table.loc["smoke", nodes]
        assert row["hours"] == pytest.approx(seconds / 3600, rel=0.01)
        assert row["shared out evenly"] == pytest.approx(10 * run / nodes / 3600, rel=0.01)
        assert row["driver busy (%)"] == pytest.approx(100 * 10 * 0.02 / seconds, rel=0.05)
    assert table.loc["paper", 1]["longest run"] > table.loc["smoke", 1]["longest run"]


def test_the_manifest_is_of_the_version_that_is_pinned_and_gives_a_command_that_there_is():
    manifest = yaml.safe_load((ROOT / "book" / "kuberay.yaml").read_text())
    (pinned,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["cluster"]
    assert pinned == f"ray=={manifest['spec']['rayClusterSpec']['rayVersion']}"
    program, name, *arguments = manifest["spec"]["entrypoint"].split()
    assert (program, name) == ("sepconv", "run")
    given = typer.main.get_command(cli.app).commands["run"].make_context("run", arguments).params
    assert (given["cluster"], given["gpus"], given["seed"]) == ("auto", 1, [0, 1, 2])

"""The command line: bad input is one line and exit code 2, and what it prints can be relied on."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest

from factories import memory_of, result_of, roofline_of, smoke
from sepconv import cli, environment, files, papers
from sepconv.measuring import roofline
from sepconv.papers import all_papers, paper
from sepconv.results import store
from sepconv.spec import Budget, Run, to_json
from sepconv.training import campaign, data
from sepconv.training.campaign import Device

RESULTS = Path(__file__).parents[1] / "results"


@pytest.fixture
def sepconv(monkeypatch, capsys):
    """Call the command line; gives exit code, standard output and standard error."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["sepconv", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        output = capsys.readouterr()
        return ended.value.code or 0, output.out, output.err

    return call


def assert_one_line(outcome, *expected):
    code, out, err = outcome
    assert code == 2
    assert out == ""
    assert err.startswith("sepconv: ")
    assert err.count("\n") == 1
    for words in expected:
        assert words in err


def test_an_error_of_the_system_is_one_line(sepconv):
    assert_one_line(sepconv("judge", "--results", "x" * 5000), "File name too long")


def test_a_folder_without_results_is_no_other_folder_of_results(sepconv, tmp_path):
    for command in ("merge", "compare"):
        assert_one_line(sepconv(command, tmp_path, "--results", RESULTS), f"{tmp_path}: expected results")


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_no_generator_takes_is_refused(sepconv, seed):
    code, out, _ = sepconv("run", "tseng2020", "conv", "--seed", seed, "--dry-run")
    assert (code, out) == (2, "")


def test_a_run_that_another_process_trains_is_no_success(sepconv, tmp_path, monkeypatch):
    monkeypatch.setattr(campaign, "run_one", lambda *_: None)
    code, _, err = sepconv("run", "tseng2020", "conv", "--results", tmp_path)
    assert code == campaign.BUSY
    assert "another process is training it" in err


@pytest.mark.parametrize(
    "command",
    [
        ("run", "tseng2020", "conv"),
        ("run", "tseng2020", "--dry-run"),
        ("cost",),
        ("bench", "roofline"),
        ("bench", "latency", "tseng2020", "conv"),
    ],
)
def test_a_backend_that_does_not_train_here_is_one_line(sepconv, command, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setenv("SEPCONV_RESULTS", str(tmp_path))
    assert_one_line(sepconv(*command), "expected KERAS_BACKEND=tensorflow or jax, got torch")


def test_an_export_that_cannot_be_written_is_one_line(sepconv, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", str(tmp_path / "claims.json"))

    monkeypatch.setattr(files.tempfile, "NamedTemporaryFile", refuse)
    assert_one_line(sepconv("export", "--results", tmp_path), f"{tmp_path}/claims.json: Permission denied")


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "tseng2021"),
        ("list", "--paper", "tseng2021"),
        ("judge", "--paper", "tseng2021"),
        ("cost", "--paper", "tseng2021"),
        ("bench", "latency", "tseng2021", "conv"),
        ("bench", "throughput", "tseng2021", "conv"),
        ("bench", "memory", "tseng2021", "conv"),
    ],
)
def test_unknown_paper(sepconv, arguments, tmp_path, monkeypatch):
    monkeypatch.setenv("SEPCONV_RESULTS", str(tmp_path))
    assert_one_line(sepconv(*arguments), f"expected {', '.join(p.key for p in all_papers())}; got tseng2021")


@pytest.mark.parametrize("command", [("run",), ("bench", "latency"), ("bench", "throughput"), ("bench", "memory")])
def test_unknown_experiment(sepconv, command, tmp_path):
    assert_one_line(sepconv(*command, "tseng2020", "cnov", "--results", tmp_path), "cnov", "da-conv")


def test_an_experiment_without_the_budget(sepconv, tmp_path):
    outcome = sepconv("run", "islam2022", "vgg19", "--budget", "short", "--results", tmp_path)
    assert_one_line(outcome, "expected experiments with the budget short, got vgg19")


@pytest.mark.parametrize("command", [("judge",), ("export",), ("compare", ".")])
def test_missing_results_folder(sepconv, command, tmp_path):
    assert_one_line(sepconv(*command, "--results", tmp_path / "none"), "expected a folder of results, found none")


def test_a_damaged_result_is_not_trained_over(sepconv, tmp_path):
    path = store.write(tmp_path, result_of(smoke()))
    path.write_text("{")
    assert_one_line(sepconv("run", "tseng2020", "conv", "--results", tmp_path), str(path), "expected a JSON file")
    assert path.read_text() == "{"


def test_a_results_folder_that_is_a_file(sepconv, tmp_path):
    (tmp_path / "file").touch()
    outcome = sepconv("run", "tseng2020", "conv", "--results", tmp_path / "file")
    assert_one_line(outcome, "file/tseng2020/conv: expected a folder to write to")


def test_images_that_are_not_there(sepconv, tmp_path, monkeypatch):
    monkeypatch.setenv("SEPCONV_DATA", str(tmp_path / "nowhere"))
    outcome = sepconv("run", "tseng2020", "conv", "--results", tmp_path / "r", "--checkpoints", tmp_path / "c")
    assert_one_line(outcome, "SEPCONV_DATA", "nowhere", "cifar-10-batches-py")


def test_more_images_than_the_budget_has(sepconv, cifar10, tmp_path):
    outcome = sepconv("bench", "throughput", "tseng2020", "conv", "--images", 257, "--results", tmp_path)
    assert_one_line(outcome, "expected 1 to 256 images, which is what this budget trains on, got 257")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "tseng2020", "--seed", "-1"), "--seed"),
        (("run", "tseng2020", "--budget", "papre"), "--budget"),
        (("run", "tseng2020", "--deadline", "-5"), "--deadline"),
        (("bench", "latency", "yu2021", "cifar10-dw", "--transfer", "cloud"), "--transfer"),
        (("judgement",), "judgement"),
    ],
)
def test_arguments_out_of_range(sepconv, arguments, words):
    code, out, err = sepconv(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert "Traceback" not in err


BROKEN = """
from sepconv.spec import Claim, Scale, Within, Quantity
{}
"""


@pytest.fixture
def broken(monkeypatch, tmp_path):
    """Put a module among the papers whose spec cannot be."""

    def put(statement):
        (tmp_path / "zeta2099.py").write_text(BROKEN.format(statement))
        monkeypatch.setattr(papers, "__path__", [*papers.__path__, str(tmp_path)])
        papers.load.cache_clear()

    yield put
    papers.load.cache_clear()
    sys.modules.pop("sepconv.papers.zeta2099", None)


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ('Quantity("accuracy", "a")', "unknown metric: expected "),
        ("Scale(epochs=1, train_images=1, evaluate_images=1, images=1)", "Scale.images: Unexpected keyword argument"),
        ('Within((Quantity("test_accuracy", "a"),), "much", 1)', "Within.1: Input should be a valid number"),
    ],
)
def test_a_paper_that_cannot_be_is_one_line_and_the_others_are_judged(sepconv, broken, tmp_path, statement, line):
    whole = all_papers()
    broken(statement)
    code, out, err = sepconv("judge", "--results", tmp_path)
    assert code == 1
    assert err.startswith(f"papers/zeta2099.py: {line}")
    assert err.count("\n") == 1
    assert all(claim.id in out for p in whole for claim in p.claims)
    code, out, again = sepconv("judge", "--json", "--results", tmp_path)
    assert (code, json.loads(out)["problems"], again) == (1, err.splitlines(), err)
    assert sepconv("judge", "--paper", "tseng2020", "--results", tmp_path)[0] == 0
    assert_one_line(sepconv("judge", "--paper", "zeta2099", "--results", tmp_path), "papers/zeta2099.py: ", line)
    assert_one_line(sepconv("list"), "papers/zeta2099.py: ", line)


# --- list ------------------------------------------------------------------------------------------------------------

_LIST = """
import sys
from sepconv.cli import main
sys.argv = ["sepconv", "list"]
try:
    main()
finally:
    print(sorted({name.split(".")[0] for name in sys.modules} & {"keras", "tensorflow", "jax", "pandas", "scipy"}))
"""


def test_listing_imports_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", _LIST], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_list_names_every_experiment_and_claim(sepconv):
    code, out, _ = sepconv("list")
    words = set(out.split())
    assert code == 0
    for p in all_papers():
        assert {p.key, *(e.name for e in p.experiments), *(c.id for c in p.claims)} <= words


def test_list_as_json_is_the_specs(sepconv):
    assert json.loads(sepconv("list", "--paper", "yu2021", "--json")[1]) == [to_json(paper("yu2021"))]


# --- run -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def runs(monkeypatch):
    """Replace the process of each run by its exit code; 0 writes a result as training would."""

    def exit_with(codes, accelerator=False):
        left = iter(codes)

        def process(run, folders, minutes, shown):
            if (code := next(left)) == 0:
                store.write(folders.results, result_of(run))
            return Mock(wait=lambda: code, stdout=None)

        monkeypatch.setattr(campaign, "fresh_process", process)
        monkeypatch.setattr(campaign, "this_device", lambda: Device("cpu", accelerator, cores=2))

    return exit_with


TWO_SEEDS = ("run", "tseng2020", "conv", "--seed", 0, "--seed", 1, "--results")


def test_runs_that_are_all_trained(sepconv, runs, tmp_path):
    runs([0, 0])
    code, out, err = sepconv(*TWO_SEEDS, tmp_path)
    assert (code, err) == (0, "")
    assert out.startswith("2 of 2 runs are missing\n   1  tseng2020/conv/smoke-seed-0 ")
    runs([])
    assert sepconv(*TWO_SEEDS, tmp_path) == (0, "0 of 2 runs are missing\n", "")


def test_runs_that_were_stopped_are_still_missing(sepconv, runs, tmp_path):
    runs([0, campaign.STOPPED])
    code, out, _ = sepconv(*TWO_SEEDS, tmp_path)
    assert code == campaign.STOPPED
    assert "1 of 2 runs are still missing; run the same command again to continue" in out


def test_runs_that_failed_are_named(sepconv, runs, tmp_path):
    runs([7, 0])
    code, _, err = sepconv(*TWO_SEEDS, tmp_path)
    assert code == 1
    assert "tseng2020/conv/smoke-seed-0: exit code 7" in err


def test_a_deadline_that_has_passed_starts_nothing(sepconv, runs, tmp_path):
    runs([])
    code, out, _ = sepconv(*TWO_SEEDS, tmp_path, "--deadline", 0)
    assert code == campaign.STOPPED
    assert "2 of 2 runs are still missing" in out


def test_a_dry_run_shows_the_queue_and_trains_nothing(sepconv, runs, tmp_path):
    runs([])
    store.write(tmp_path, result_of(smoke(1), train_seconds=60))
    code, out, _ = sepconv(*TWO_SEEDS, tmp_path, "--dry-run")
    count, only, total, advice = out.splitlines()
    assert (code, count) == (0, "1 of 2 runs are missing")
    assert only.split() == ["1", "tseng2020/conv/smoke-seed-0", "3", "min"]
    assert "about 3 min in all" in total
    assert advice == "Not measured at two numbers of workers: tseng2020/conv"
    code, out, _ = sepconv("run", "tseng2020", "conv", "--seed", 1, "--results", tmp_path, "--dry-run")
    assert (code, out) == (0, "0 of 1 runs are missing\n")


@pytest.mark.parametrize("workers", [0, -1, 3])
def test_impossible_numbers_of_workers_are_one_line(sepconv, runs, tmp_path, monkeypatch, workers):
    runs([])
    monkeypatch.setattr(campaign, "available_cores", lambda: [0, 1])
    code, out, err = sepconv(*TWO_SEEDS, tmp_path, "--workers", workers)
    assert (code, out) == (2, "")
    assert err == f"sepconv: expected --workers from 1 to 2, the cores of this machine, got {workers}\n"


def test_workers_on_an_accelerator_are_one_line(sepconv, runs, tmp_path, monkeypatch):
    runs([], accelerator=True)
    monkeypatch.setattr(campaign, "available_cores", lambda: [0, 1])
    code, _, err = sepconv(*TWO_SEEDS, tmp_path, "--workers", 2)
    assert (code, err) == (2, "sepconv: expected --workers 1 on cpu, which one run has to itself, got 2\n")


def test_a_single_run_reads_its_result_once(sepconv, tmp_path, monkeypatch):
    store.write(tmp_path, result_of(smoke()))
    read = []
    monkeypatch.setattr(store, "read", lambda path, original=store.read: read.append(path) or original(path))
    assert sepconv("run", "tseng2020", "conv", "--results", tmp_path)[0] == 0
    assert len(read) == 1


def test_all_papers_at_once(sepconv, tmp_path, runs):
    runs([])
    _, out, _ = sepconv("run", "all", "--budget", "paper", "--deadline", 0, "--results", tmp_path)
    trained = [e for p in all_papers() for e in p.experiments if e.has(Budget.PAPER)]
    assert f"{len(trained)} of {len(trained)} runs are missing" in out


def test_leftovers_are_listed_and_deleted_when_that_is_asked(sepconv, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "cache", lambda: tmp_path / "cache")
    folders = ["--results", tmp_path / "results", "--checkpoints", tmp_path / "checkpoints"]
    assert sepconv("leftovers", *folders) == (0, "nothing is left\n", "")
    store.write(tmp_path / "results", result_of(smoke()))
    done, unfinished = (tmp_path / "checkpoints" / smoke(seed).id for seed in (0, 1))
    for folder in (done, unfinished):
        folder.mkdir(parents=True)
    assert sepconv("leftovers", *folders)[1].count("MB") == 2
    assert sepconv("leftovers", "--delete", *folders)[1].endswith("1 of 2 deleted\n")
    assert (done.exists(), unfinished.exists()) == (False, True)
    assert sepconv("leftovers", "--delete", "--all", *folders)[1].endswith("1 of 1 deleted\n")
    assert not unfinished.exists()


def test_images_are_checked_without_a_download(sepconv, tmp_path, monkeypatch):
    monkeypatch.delenv("SEPCONV_DATA", raising=False)
    monkeypatch.setenv("SEPCONV_DOWNLOAD", "yes")
    monkeypatch.setattr(data, "cache", lambda: tmp_path)
    assert_one_line(sepconv("data", "--offline"), "found none and SEPCONV_DOWNLOAD=no; sepconv data downloads it")


# --- results ---------------------------------------------------------------------------------------------------------


def test_judge_judges_what_can_be_read_and_names_the_rest(sepconv, tmp_path):
    store.write(tmp_path, result_of(smoke()))
    store.write(tmp_path, result_of(smoke(1))).write_text("{")
    code, out, err = sepconv("judge", "--paper", "tseng2020", "--results", tmp_path)
    assert code == 1
    assert all(claim.id in out for claim in paper("tseng2020").claims)
    assert "tseng2020/conv/smoke-seed-1.json: expected a JSON file" in err
    assert err.count("\n") == 1


def test_export_is_what_judge_prints_as_json(sepconv, tmp_path):
    store.write(tmp_path, result_of(smoke()))
    printed = json.loads(sepconv("judge", "--json", "--results", tmp_path)[1])
    assert sepconv("export", "--results", tmp_path)[0] == 0
    assert json.loads((tmp_path / "claims.json").read_text()) == printed


def test_a_result_of_no_experiment_is_named_and_the_rest_is_judged(sepconv, tmp_path):
    store.write(tmp_path, result_of(replace(smoke(), paper="tseng2021")))
    code, out, err = sepconv("judge", "--results", tmp_path)
    assert code == 1
    assert all(claim.id in out for p in all_papers() for claim in p.claims)
    assert err.startswith("tseng2021/conv/smoke-seed-0.json: expected an experiment of a paper here")
    assert err.count("\n") == 1


def test_merge_says_how_many_were_new_and_adds_nothing_where_one_differs(sepconv, tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for seed in (0, 1):
        store.write(theirs, result_of(smoke(seed)))
    assert sepconv("merge", theirs, "--results", ours) == (0, "2 results were new\n", "")
    assert sepconv("merge", theirs, "--results", ours) == (0, "0 results were new\n", "")
    other = tmp_path / "other"
    store.write(other, result_of(smoke(2)))
    store.write(other, result_of(smoke(1), accuracy=51))
    assert_one_line(sepconv("merge", other, "--results", ours), "smoke-seed-1.json: differs", "nothing was merged")
    assert len(store.read_all(ours).runs) == 2
    assert_one_line(sepconv("merge", tmp_path / "none", "--results", ours), "expected a folder of results")


def test_compare_with_ourselves(sepconv, tmp_path):
    store.write(tmp_path, result_of(Run("tseng2020", smoke().experiment, Budget.PAPER, 0)))
    code, out, err = sepconv("compare", tmp_path, "--paper", "tseng2020", "--results", tmp_path)
    assert (code, err) == (0, "")
    assert "tseng2020." in out


# --- bench -----------------------------------------------------------------------------------------------------------


def test_the_roofline_stands_beside_what_was_trained_there(sepconv, tmp_path, monkeypatch):
    shutil.copytree(RESULTS / "tseng2020" / "conv", tmp_path / "tseng2020" / "conv")
    monkeypatch.setattr(roofline, "ensure_roofline", lambda results: roofline_of())
    code, out, err = sepconv("bench", "roofline", "--results", tmp_path)
    assert (code, err) == (0, "")
    assert "10 GB/s copied" in out.splitlines()[0]
    assert "tseng2020 conv " in out
    printed = json.loads(sepconv("bench", "roofline", "--json", "--results", tmp_path)[1])
    assert printed["device"]["copy_bytes"] == roofline_of().copy_bytes
    (network,) = printed["networks"]
    assert (network["experiment"], network["measured"], network["fraction"]) == ("conv", None, None)  # another machine


def test_measured_memory_stands_beside_the_count(sepconv, tmp_path):
    store.write(tmp_path, memory_of().model_copy(update={"environment": environment.describe()}))
    assert sepconv("bench", "memory", "tseng2020", "conv", "--results", tmp_path)[1].split()[-2:] == ["not", "counted"]

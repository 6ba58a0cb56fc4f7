"""The Slurm array: what shellcheck says of it, and what it does under a stand-in for Slurm."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from factories import result_of, smoke
from sepconv.cluster.slurm import SlurmError, array_script
from sepconv.results import store
from sepconv.training import campaign
from sepconv.training.campaign import Folders

QUEUE = [smoke(0), smoke(1), smoke(2, "dsc")]
SBATCH = """#!/bin/bash
# Runs the jobs of an array one after the other, again where they were put back, as Slurm does.
set -eu
last=$(sed -n 's/^#SBATCH --array=0-//p' "$1")
export SLURM_ARRAY_JOB_ID=7 SLURM_CPUS_PER_TASK=$(sed -n 's/^#SBATCH --cpus-per-task=//p' "$1")
for SLURM_ARRAY_TASK_ID in $(seq 0 "$last"); do
  export SLURM_ARRAY_TASK_ID
  while true; do
    rm -f requeued
    bash "$1" || echo "$SLURM_ARRAY_TASK_ID ended with $?" >>log
    [ -e requeued ] || break
  done
done
"""
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
exec "$@"
"""
SCONTROL = """#!/bin/bash
[ "$1" = requeue ] && echo "put back $2" >>log && touch requeued
"""


@pytest.fixture
def folders(tmp_path):
    return Folders(tmp_path / "re sults", tmp_path / "checkpoints")


@pytest.fixture
def sbatch(tmp_path, folders):
    """Submit an array to a stand-in for Slurm; gives the lines of its log."""
    for name, script in {"sbatch": SBATCH, "srun": SRUN, "scontrol": SCONTROL}.items():
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)

    def submit(queue, **changes):
        (tmp_path / "array.sh").write_text(array_script(queue, folders, 1, 0, "4:00:00"))
        path = f"{tmp_path}:{os.environ['PATH']}"
        subprocess.run(
            ["sbatch", "array.sh"], cwd=tmp_path, env=os.environ | {"PATH": path} | changes, check=True, timeout=300
        )
        log = tmp_path / "log"
        return log.read_text().splitlines() if log.exists() else []

    return submit


def stand_in(tmp_path, monkeypatch, script):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/bash\n{script}")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


def test_every_missing_run_is_trained_by_the_command_for_one_run(tmp_path, folders, sbatch, monkeypatch):
    stand_in(tmp_path, monkeypatch, 'printf "%s|" "$@" >>log; echo >>log')
    where = f"--results|{folders.results}|--checkpoints|{folders.checkpoints}|"
    assert sbatch(QUEUE) == [
        f"-m|sepconv|run|{run.paper}|{run.experiment.name}|--budget|smoke|--seed|{run.seed}|{where}" for run in QUEUE
    ]


@pytest.mark.parametrize("code", [campaign.STOPPED, campaign.BUSY, 143])
def test_a_run_that_was_stopped_is_queued_again(tmp_path, sbatch, monkeypatch, code):
    stand_in(tmp_path, monkeypatch, f"echo run >>log; [ $(grep -c run log) -gt 1 ] || exit {code}")
    assert sbatch(QUEUE[:1]) == ["run", "put back 7_0", "run"]


def test_a_run_that_failed_is_not_queued_again_and_keeps_no_other(tmp_path, sbatch, monkeypatch):
    stand_in(tmp_path, monkeypatch, "echo run >>log; exit 2")
    assert sbatch(QUEUE[:2]) == ["run", "0 ended with 2", "run", "1 ended with 2"]


def test_sigterm_to_the_script_leaves_the_run_to_its_end(tmp_path, sbatch, monkeypatch):
    stand_in(tmp_path, monkeypatch, "kill -TERM $PPID; sleep 0.2; echo whole >>log")
    assert sbatch(QUEUE[:1]) == ["whole"]


def test_gpus_are_asked_for_where_they_are_wanted(folders):
    assert "gpus-per" not in array_script(QUEUE, folders, 1, 0, "4:00:00")
    script = array_script(QUEUE, folders, 3, 2, "1-12:00")
    for option in ("--gpus-per-task=2", "--cpus-per-task=3", "--time=1-12:00", "--array=0-2", "--requeue"):
        assert f"#SBATCH {option}\n" in script


@pytest.mark.parametrize("time", ["", "an hour", "4:00\n#SBATCH --exclusive"])
def test_a_limit_that_is_no_time_is_refused(folders, time):
    with pytest.raises(SlurmError, match="expected --time as sbatch takes it"):
        array_script(QUEUE, folders, 1, 0, time)


def test_where_nothing_is_missing_there_is_no_array(folders):
    with pytest.raises(SlurmError, match="expected runs that are missing, found a result of each"):
        array_script([], folders, 1, 0, "4:00:00")


def test_shellcheck_finds_nothing(tmp_path, folders):
    shellcheck = shutil.which("shellcheck") or shutil.which("shellcheck", path=Path(sys.executable).parent)
    if shellcheck is None:
        pytest.skip("shellcheck is not installed")
    script = tmp_path / "array.sh"
    script.write_text(array_script(QUEUE, folders, 1, 1, "4:00:00"))
    checked = subprocess.run([shellcheck, script], capture_output=True, text=True)
    assert (checked.stdout, checked.returncode) == ("", 0)


@pytest.mark.slow
def test_the_printed_array_trains_for_real(tmp_path, folders, sbatch, cifar10, cifar_folder):
    store.write(folders.results, result_of(smoke(0)))
    where = ["--results", folders.results, "--checkpoints", folders.checkpoints]
    command = [sys.executable, "-m", "sepconv", "slurm", "tseng2020", "conv", "--seed", "0", "--seed", "1", *where]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.findall(r'^  "(.*)"$', printed, re.MULTILINE) == ["tseng2020 conv --budget smoke --seed 1"]
    assert sbatch([smoke(1)]) == []
    assert store.find_run(folders.results, smoke(1)).status == "complete"

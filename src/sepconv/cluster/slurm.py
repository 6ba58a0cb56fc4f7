"""A Slurm array whose jobs train one run each, by the command that trains one run anywhere."""

import re
import shlex
import signal
import sys
from collections.abc import Sequence

from sepconv.spec import InputError, Run
from sepconv.training.campaign import BUSY, STOPPED, Folders

GRACE_SECONDS = 300  # between SIGTERM and the end of a job's time: an epoch and its checkpoint have to fit into it

_SCRIPT = """\
#!/bin/bash
#SBATCH --job-name=sepconv
#SBATCH --array=0-{last}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task={cores}
{gpus}#SBATCH --time={time}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=sepconv-%A_%a.log
# The run, not this script, gets SIGTERM ahead of the limit; it stops at its epoch's end and leaves a checkpoint.
#SBATCH --signal=TERM@{grace}
set -eu

runs=(
{runs}
)
read -r -a run <<<"${{runs[$SLURM_ARRAY_TASK_ID]}}"

trap : TERM # where the job is preempted, this script gets SIGTERM too, and waits for the run
code=0
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --cpu-bind=cores \\
  {command} "${{run[@]}}" {folders} || code=$?
case $code in
  {again}) scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID" ;; # {why}
  *) exit "$code" ;;
esac
"""


class SlurmError(InputError):
    """An array that cannot be made."""


def array_script(queue: Sequence[Run], folders: Folders, cores: int, gpus: int, time: str) -> str:
    """The script for ``sbatch``: a job for each run, in order, that is queued again until its result is there.

    Args:
        queue: the runs that are missing.
        folders: of results and checkpoints, on a disk that all nodes share.
        cores: of each job.
        gpus: of each job.
        time: the limit of each job, as ``sbatch`` takes it.

    Raises:
        SlurmError: nothing is missing, or the limit could be something else than a time.
    """
    if not queue:
        raise SlurmError("expected runs that are missing, found a result of each")
    if not re.fullmatch(r"[0-9][0-9:-]*", time):
        raise SlurmError(f"expected --time as sbatch takes it, such as 4:00:00, got {time!r}")
    listed = [f'  "{run.paper} {run.experiment.name} --budget {run.budget} --seed {run.seed}"' for run in queue]
    places = ["--results", str(folders.results.absolute()), "--checkpoints", str(folders.checkpoints.absolute())]
    return _SCRIPT.format(
        last=len(queue) - 1,
        cores=cores,
        gpus=f"#SBATCH --gpus-per-task={gpus}\n" if gpus else "",
        time=time,
        grace=GRACE_SECONDS,
        runs="\n".join(listed),
        command=shlex.join([sys.executable, "-m", "sepconv", "run"]),
        folders=shlex.join(places),
        again=f"{STOPPED} | {BUSY} | {128 + signal.SIGTERM}",
        why="stopped; another job trains it; SIGTERM before it began",
    )

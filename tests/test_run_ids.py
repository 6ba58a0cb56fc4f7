"""A run's id is a hash of what determines its numbers; moving or renaming code must change none."""

import json
from pathlib import Path

from sepconv.papers import all_papers
from sepconv.spec import Budget, Run

# Of every experiment's first seed at these budgets, written down at commit f685639; those of islam2022's ablations when
# their recipe of 100 epochs, under which none had been run, became the paper's own of 300; and of later experiments.
KNOWN = json.loads((Path(__file__).parent / "data" / "run_ids.json").read_text())


def test_no_run_has_another_id_than_before():
    runs = [
        Run(paper.key, experiment, budget, seed=0)
        for paper in all_papers()
        for experiment in paper.experiments
        for budget in (Budget.SMOKE, Budget.PAPER)
        if experiment.has(budget)
    ]
    ids = {run.key: run.id for run in runs}
    assert {key: ids.get(key) for key in KNOWN} == KNOWN

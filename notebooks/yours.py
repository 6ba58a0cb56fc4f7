# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Your numbers beside ours
#
# If you trained some of these networks yourself, do your numbers agree with ours? Two runs of one recipe seldom agree to the last digit, so
# the question is not whether your numbers equal ours, but whether yours could have been one more run of ours. Make this page with your
# results:
#
# ```shell
# sepconv run tseng2020 --budget short --seed 7 --results my-results
# sepconv report -p theirs_dir=../../my-results
# ```
#
# Without `theirs_dir` this page says what to expect. [](../rerun) has the commands from the start, and `sepconv compare my-results` says the
# same in the terminal.

# %% tags=["parameters", "remove-input"]
results_dir = "../../results"
theirs_dir = ""

# %% tags=["remove-input"]
from pathlib import Path

from IPython.display import Markdown, display

from sepconv import papers
from sepconv.report import tables
from sepconv.results import store
from sepconv.verdicts import compare, samples
from sepconv.verdicts.stats import CONFIDENCE

known = papers.all_papers()
ours = store.read_all(Path(results_dir))
theirs = store.read_all(Path(theirs_dir)) if theirs_dir else store.Results()
compared = [(paper, compare.compare(paper, ours, theirs)) for paper in known]
NOBODY = Markdown("*No other folder is given, so there is nothing here yet.*")

# %% [markdown]
# ## Verdicts that changed
#
# A claim is listed here if both folders could test it and they disagree. Training at a shorter budget than the paper's gives no verdict
# that could change, and fewer than three seeds are *inconclusive* at most.

# %% tags=["remove-input"]
tables.changed_table(compared) if theirs_dir else NOBODY

# %% [markdown]
# ## Number by number
#
# *One more run* is the 95 % prediction interval, mean ± $t\,s\sqrt{1 + 1/n}$: where the next run of ours would lie, with 95 %
# confidence. It is wide where we have few runs, and missing where we have one run or runs without any spread. Numbers of
# different budgets must never be compared, so each budget has its own part of the table. Where a claim compares two networks and
# you ran one of them, that one is listed alone. A ratio of times depends on the machine, so look at the machine first.

# %% tags=["remove-input"]
rows = {row for _, comparisons in compared for c in comparisons for row in c.shared if row.expected}
values, inside = sum(len(row.theirs) for row in rows), sum(row.as_expected for row in rows)
of_values = Markdown(
    f"**{inside} of {values} values lie where one more run of ours was to be expected.** If they were independent, about "
    f"{(1 - CONFIDENCE) * values:.1f} would lie outside by chance alone. Rows with a value outside are marked."
)
of_values if theirs_dir else Markdown("*No other folder is given. This is what its numbers would be compared with.*")

# %% tags=["remove-input"]
for paper, comparisons in compared:
    show = tables.compared_table if theirs_dir else tables.expected_table
    display(show(paper, comparisons))

# %% [markdown]
# ## Claims without a comparison
#
# These are claims whose runs are missing, counts that have to be equal and so need no interval, and claims that compare a paper with
# itself.

# %% tags=["remove-input"]
tables.idle_claims(compared, given=bool(theirs_dir))

# %% [markdown]
# ## Results left out
#
# A file that is damaged or belongs to no experiment of this book is not compared. Neither is a run of another recipe, precision or
# network, on other images, or with a loss that became NaN.

# %% tags=["remove-input"]
aside = [reason for paper in known for reason in compare.set_aside(paper, ours, theirs)]
left_out = [*theirs.problems, *samples.unknown_results(known, theirs), *aside]
tables.left_out_table(left_out) if theirs_dir else NOBODY

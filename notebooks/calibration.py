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
# # How often the verdicts err
#
# A rule that turns a few noisy runs into a verdict will sometimes be wrong. How often can be found out by simulation, where the truth is
# known: draw the results of a reproduction from a chosen distribution, give them to the same code that judges the papers, and count.
# This page does so for claims that are true, false, and exactly on the limit. A verdict is *wrong* if a false claim is called reproduced or
# a true one not reproduced. *Inconclusive* is never wrong, but it has a price: a rule that always says so is of no use. So the
# share of right verdicts, the *power*, is counted as well.

# %% tags=["parameters", "remove-input"]
simulations = 10_000
results_dir = "../../results"

# %% tags=["remove-input"]
from pathlib import Path

import pandas as pd
from IPython.display import Markdown

from sepconv import papers
from sepconv.criteria import enumeration
from sepconv.report import figures, frames, tables
from sepconv.results import store
from sepconv.verdicts import calibration
from sepconv.verdicts.concordance import Outcome
from sepconv.verdicts.concordance import concordance as concordance_of
from sepconv.verdicts.judge import judge
from sepconv.verdicts.rules import ALPHA, LEVELS, MAX_SEEDS
from sepconv.verdicts.sentences import number


def at_most(cells: pd.DataFrame) -> str:
    """The highest rate of wrong verdicts, in words."""
    rate = f"{100 * cells['wrong'].max():.1f} %"
    return f"In each of the {len(cells)} combinations at most {rate} of the verdicts are wrong"


cells = frames.save(calibration.calibrate(simulations), "calibration-rates")
middle = sorted(calibration.NOISES)[len(calibration.NOISES) // 2]
shown = cells[cells["noise"] == middle]

# %% [markdown]
# ## What is simulated
#
# Three kinds of claims cover what the papers claim about accuracies: that a *value* lies within a range, that *one* network is ahead of
# another, and that *three* such orders hold at once. In each reproduction every network is trained from several seeds, and the accuracy
# of a seed is the true one plus noise.

# %% tags=["remove-input"]
listed = ", ".join(f"{noise:g}" for noise in calibration.NOISES)
Markdown(
    f"The noise is normal, with a standard deviation of {listed} points, from {', '.join(map(str, calibration.SEEDS))} seeds. The "
    f"truth lies {', '.join(number(margin, '') for margin in calibration.MARGINS)} points inside the limit that the criterion sets; "
    "a negative number says by how much the claim is false. Of three orders the first has this margin; the others are true by "
    f"one point. That makes {len(cells)} combinations, each simulated {simulations:,} times. On the limit itself the truth may be "
    "just on either side, so there the more frequent of the two decided verdicts counts as wrong. This is the hardest case."
)

# %% [markdown]
# Are these the right sizes of noise? The measured standard deviations of the test accuracy over the seeds of one experiment are:

# %% tags=["remove-input"]
found = store.read_all(Path(results_dir))
noise = pd.concat([frames.seed_noise(paper, found, frames.shown("paper")) for paper in papers.all_papers()])
measured = [
    f"- {n.paper}, {n.experiment}, budget {n.budget}: {n.deviation:.2f} points from {n.seeds} seeds"
    for n in noise.itertuples()
]
Markdown("\n".join(measured) or "No experiment has been run from three seeds yet.")

# %% [markdown]
# ## Verdicts

# %% tags=["remove-input"] mystnb={"figure": {"name": "calibration-rates", "caption": "How often each verdict is given when the truth is known. Below the bars are the number of seeds and by how many points the claim is true or false. The CSV also has the other sizes of noise. {download}`CSV <data/calibration-rates.csv>`"}, "image": {"alt": "Stacked bars for three kinds of claims: true claims are reproduced more often with more seeds, false ones not reproduced, on the limit nearly all are inconclusive"}}
figures.verdict_rates(shown)

# %% tags=["remove-input"]
Markdown(f"The same in numbers, for noise of {middle:g} points:")

# %% tags=["remove-input"]
tables.calibration_table(shown)

# %% tags=["remove-input"]
off_limit = cells.loc[cells["margin"] != 0, "wrong"].max()
Markdown(
    f"**{at_most(cells)}; {100 * ALPHA:.0f} % are allowed.** The highest rate occurs on the limit; away from it, at most {100 * off_limit:.2f} % are wrong. The rule is "
    "two-sided and only one side can be wrong, so only half of what is allowed is used; beyond three seeds its level is stricter."
)

# %% [markdown]
# ## Adding seeds until a claim is decided
#
# If a claim is judged again after each further seed until it is decided, there are several chances to be wrong. So every later look
# has a stricter level than the first, and the number of looks is limited. The levels were fixed by simulation, with the truth on the limit.

# %% tags=["remove-input"]
same, used = (calibration.error_of_looks(levels) for levels in (len(LEVELS) * (ALPHA,), LEVELS))
Markdown(
    f"The first look, at {calibration.LOOKS[0]} seeds, is at a two-sided level of {LEVELS[0]:g}; each later one, up to {MAX_SEEDS} seeds, at "
    f"{LEVELS[1]:g}. Of claims on their limit, the {len(LEVELS)} looks together then call {100 * used:.1f} % reproduced. With "
    f"{ALPHA:g} at each look it would be {100 * same:.1f} %."
)

# %% [markdown]
# {numref}`calibration-policy` has the same three kinds of claims, judged in this way.

# %% tags=["remove-input"]
policy = frames.save(calibration.calibrate_policy(simulations), "calibration-policy")
tables.policy_table(policy[policy["noise"] == middle])

# %% tags=["remove-input"]
Markdown(f"{at_most(policy)}.")

# %% [markdown]
# The CSV also has the other sizes of noise. {download}`CSV <data/calibration-policy.csv>`
#
# A claim card says at which look its verdict was reached. Where the claim is inconclusive, it says how many further seeds would decide if
# mean and spread stayed as they are, and how likely that is: possible true means and spreads are drawn from what the seeds so far
# say about them, further seeds are drawn from those, and the same rule judges each of these simulated reproductions.

# %% [markdown]
# ## Where it does not hold
#
# Student's interval assumes normal noise. Accuracies over seeds need not be normal: some have *heavy tails*, and some are *skewed*, with
# an occasional bad run and never an equally good one. {numref}`calibration-shapes` has the hardest case again, the truth on the limit, with
# noise of these shapes and the same standard deviations. {download}`CSV <data/calibration-shapes.csv>`

# %% tags=["remove-input"]
shapes = calibration.calibrate(simulations, shapes=calibration.SHAPES, margins=[0])
worst = calibration.worst(frames.save(shapes, "calibration-shapes"))
tables.wrong_rates_table(worst)

# %% tags=["remove-input"]
above = worst[worst["wrong"] - 2 * worst["error"] > ALPHA]
cases = [
    f"- {w.check}, {w.shape} noise, {w.seeds} seeds: {100 * w.wrong:.1f} ± {200 * w.error:.1f} %"
    for w in above.itertuples()
]
beyond = f"beyond {100 * ALPHA:.0f} % by more than the simulation's own error"
Markdown(
    f"Of these {len(worst)} cases, {len(above)} go {beyond}:\n\n" + "\n".join(cases)
    if cases
    else f"None of these {len(worst)} cases goes {beyond}."
)

# %% [markdown]
# So the promise of 5 % holds for noise that is roughly normal, or symmetric. A verdict on a value close to a limit, from networks that
# occasionally fail badly, is wrong more often than {numref}`calibration-policy` says. The difference of two networks with equal noise is
# symmetric, so the promise holds for orders. The bootstrap interval on each claim card assumes no shape, but from so few seeds it is too narrow, as
# [](../methods) says. Where it disagrees with Student's, take care.

# %% [markdown]
# ## How many seeds it takes
#
# With few seeds the interval is wide, and most true claims remain inconclusive. How many seeds are needed depends on how far apart the
# networks are, relative to the noise.

# %% tags=["remove-input"] mystnb={"figure": {"name": "calibration-power", "caption": "How often a true order of two networks is found, over the number of seeds of each, for three sizes of noise. {download}`CSV <data/calibration-power.csv>`"}, "image": {"alt": "Share of reproductions that find a true order, rising with seeds, faster where networks are further apart and where noise is small"}}
power = pd.concat([frames.power([0.5, 1, 2], noise, range(3, 16)) for noise in calibration.NOISES])
figures.power(frames.save(power, "calibration-power"))

# %% tags=["remove-input"]
few = power[(power["seeds"] == power["seeds"].min()) & (power["margin"] == 1)]
shares = [f"{100 * c.decided:.0f} % where the noise is {c.noise:g}" for c in few.itertuples()]
Markdown(
    f"From {few['seeds'].iloc[0]} seeds, the fewest that any verdict rests on, networks that are one point apart are found in the "
    f"right order in {enumeration(shares)}."
)

# %% [markdown]
# ## Questions at equal cost
#
# Our own study asks which kind of network is ahead at equal cost. Its number is a weighted sum of the mean accuracies of eight networks
# with a pooled variance. This is the same simulation for it; the largest number of seeds is reached in several looks.

# %% tags=["remove-input"]
deltas = frames.save(calibration.calibrate_delta(simulations), "calibration-deltas")
tables.calibration_table(deltas[deltas["noise"] == middle])

# %% tags=["remove-input"]
Markdown(f"{at_most(deltas)}.")

# %% [markdown]
# The CSV also has the other sizes of noise. {download}`CSV <data/calibration-deltas.csv>`
#
# ## Did indications come true?
#
# Complete runs under compressed schedules may *indicate* an order but never decide it ([](../methods) has the rules). Whether they can be
# trusted is not simulated but counted: of the claims that the papers' own schedules decided, how often did the indication agree
# ({numref}`calibration-concordance`)? {download}`CSV <data/calibration-concordance.csv>`

# %% tags=["remove-input"]
judged = [judgement for paper in papers.all_papers() for judgement in judge(paper, found)]
concordance = frames.save(concordance_of(judged), "calibration-concordance")
outcomes = concordance["outcome"].value_counts()
compared = outcomes.drop(Outcome.OPEN, errors="ignore").sum()
agreed = f"{outcomes.get(Outcome.AGREES, 0)} of {compared} indications agreed with the verdict"
Markdown(
    f"**{agreed if compared else 'No claim has both an indication and a decided verdict yet'}.** "
    f"In {outcomes.get(Outcome.OPEN, 0)} further claims the compressed schedules left the order open."
)

# %% tags=["remove-input"]
tables.concordance_table(concordance)

# %% [markdown]
# ## What this does not cover
#
# The simulation assumes that runs are independent and that the criterion is the right one. It says nothing about a departure that shifts
# all our runs, about a criterion that misreads a sentence, or about many claims judged at once. For the last, the card of a claim also shows
# the verdict under Holm's correction where it differs. What the simulation shows is that chance alone seldom makes a verdict wrong.
# [](../methods) has the rules.

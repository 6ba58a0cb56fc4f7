"""What the pages of the book share: a paper's page and its sections, the runs that verdicts need, what is missing."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from sepconv import papers
from sepconv.criteria import enumeration
from sepconv.report import frames, tables
from sepconv.report.markup import Html, claim_link, folded, listing, paragraph
from sepconv.results import store
from sepconv.results.store import Results
from sepconv.spec import Basis, Budget, Paper, Run
from sepconv.training import campaign
from sepconv.verdicts.judge import judge
from sepconv.verdicts.rules import Judgement, Verdict
from sepconv.verdicts.samples import MIN_SEEDS
from sepconv.verdicts.sentences import counts, several

# The sections of a paper's page, those of a reproducibility report.
SECTIONS = (
    "Scope of the claims", "What we found", "Networks", "Training", "Results", "Claims", "What was easy",
    "What was hard", "Departures", "Contact with the authors",
)  # fmt: skip
CONTACT = (
    "The authors were not contacted. Everything here rests on what is published, so where the paper is silent, the "
    "choice is ours and is listed above. What we would have asked is what made the reproduction hard."
)
_WORDS = {
    Basis.COUNTED: "rest on counts of the networks",
    Basis.TRAINED: "on training or measured times",
    Basis.INTERNAL: "on a comparison of the paper with itself or with what its authors published",
}


@dataclass(frozen=True)
class Page:
    """What the page of one paper is made from. Shown, it says how many claims have which verdict."""

    paper: Paper
    results: Results
    judgements: tuple[Judgement, ...]
    wanted: tuple[Run, ...]  # what the verdicts need at the page's budget
    budgets: tuple[Budget, ...]  # what the page shows

    def judgement(self, claim: str) -> Judgement:
        """What was found on the claim with this id."""
        return next(judgement for judgement in self.judgements if judgement.claim.id == claim)

    def _repr_markdown_(self) -> str:
        return f"**{len(self.judgements)} claims: {counts(self.judgements)}.**"

    def __repr__(self) -> str:
        return f"Page of {self.paper.key}"


def opening(key: str, results_dir: str, budget: str, train: bool) -> Page:
    """Read and judge a paper's results for its page; with ``train``, train first what is missing at the budget.

    A line is printed for each run that failed.

    Args:
        key: the paper's.
        results_dir: folder of results; checkpoints lie beside it.
        budget: what is trained and shown, for the paper's own also what is shown below it.
        train: whether to train what is missing.

    Raises:
        SpecError: no such paper or budget.
        ResultError: no such folder.
    """
    paper, budgets, folder = papers.paper(key), frames.shown(budget), Path(results_dir)
    wanted = needed([paper], budget)
    if train:
        print(*train_missing(wanted, folder), sep="\n")
    found = store.read_all(folder)
    return Page(paper, found, tuple(judge(paper, found)), tuple(wanted), budgets)


def scope(page: Page) -> Html:
    """How many of a paper's claims rest on what."""
    parts = [f"{len(found)} {_WORDS[basis]}" for basis, found in _by_basis(page.judgements).items()]
    return paragraph(f"Of its {several(len(page.judgements), 'claim')}, {enumeration(parts)}.")


def findings(page: Page) -> Html:
    """The verdicts on the claims, by what they rest on; each names its claims, except where nothing is tested yet."""
    return Html(listing(_findings(basis, found) for basis, found in _by_basis(page.judgements).items()))


def needed(papers: Sequence[Paper], budget: str) -> list[Run]:
    """As many seeds as a verdict needs of every experiment whose runs a claim reads, in order of worth."""
    used = {(p.key, q.of) for p in papers for c in p.claims for q in c.quantities if q.definition.source == "run"}
    every = campaign.runs(papers, Budget(budget), range(MIN_SEEDS))
    return [run for run in every if (run.paper, run.experiment.name) in used]


def train_missing(wanted: Iterable[Run], folder: Path) -> list[str]:
    """Train what has no result in ``folder`` yet, with checkpoints beside it; a line for each run that failed."""
    return campaign.run_queue(campaign.missing(wanted, folder), campaign.Folders(folder, folder.parent / "checkpoints"))


def missing(wanted: Iterable[Run], found: Results) -> list[Run]:
    """The runs without a complete result of their recipe."""
    there = {run.run_id for run in found.runs if run.status == "complete"}
    return [run for run in wanted if run.id not in there]


def seconds(runs: Iterable[Run], found: Results) -> dict[str, dict[str, float]]:
    """What runs would take, by their keys, on each machine where the speed of one of them was measured."""
    wanted = list(runs)
    devices = {str(device): device for run in found.runs if (device := campaign.Device.of(run.environment))}
    speeds = {name: campaign.Speeds(found, device) for name, device in sorted(devices.items())}
    estimates = {name: {run.key: speed.seconds(run) for run in wanted} for name, speed in speeds.items()}
    known = {m: {key: s for key, s in each.items() if s is not None} for m, each in estimates.items()}
    return {machine: each for machine, each in known.items() if each}


def missing_table(wanted: Sequence[Run], found: Results) -> Html:
    """What is missing of each experiment, and what it would cost on each machine."""
    absent = missing(wanted, found)
    return tables.missing_table(wanted, absent, seconds(absent, found))


def missing_runs(page: Page) -> Html:
    """How many of the runs that a page's verdicts need are there; what the others would cost is folded below."""
    there = len(page.wanted) - len(missing(page.wanted, page.results))
    return Html(folded(f"{there} of {several(len(page.wanted), 'run')} done", missing_table(page.wanted, page.results)))


def _by_basis(judgements: Iterable[Judgement]) -> dict[Basis, list[Judgement]]:
    found: dict[Basis, list[Judgement]] = {basis: [] for basis in _WORDS}
    for judgement in judgements:
        found[judgement.claim.basis].append(judgement)
    return {basis: of_basis for basis, of_basis in found.items() if of_basis}


def _findings(basis: Basis, judgements: Sequence[Judgement]) -> Markup:
    times = Counter(judgement.verdict for judgement in judgements)
    verdicts = Markup("; ").join(
        Markup("{} {}{}").format(times[verdict], verdict, _named(verdict, judgements))
        for verdict in Verdict
        if times[verdict]
    )
    return Markup("{} ({}): {}.").format(basis.capitalize(), several(len(judgements), "claim"), verdicts)


def _named(verdict: Verdict, judgements: Sequence[Judgement]) -> Markup:
    """The claims with a verdict, except those of which nothing is known yet."""
    names = [claim_link(judgement) for judgement in judgements if judgement.verdict is verdict]
    return Markup("") if verdict is Verdict.NOT_TESTED else Markup(" ({})").format(Markup(", ").join(names))

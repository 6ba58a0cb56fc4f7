"""What is stated of the three papers that the book began with, and of all of them together."""

import re
from pathlib import Path

import pytest

from sepconv.papers import paper
from sepconv.spec import Budget
from sepconv.training import campaign

SHARED = Path(__file__).parents[3] / "shared"  # the list of claims, where it lies beside the clone

IDS = {
    "tseng2020": """
        params-conv params-dsc table2-vs-text table1-stride fewer-params cost layers train-dsc-higher dsc-epoch30
        da-lowers-train-conv da-lowers-train-dsc val-below-train-conv val-below-train-dsc val-dsc-higher
        val-dsc-higher-da da-raises-val-conv da-raises-val-dsc da-generalises-conv da-generalises-dsc train-time
        memory-weights memory-training
    """,
    "islam2022": """
        params-small params-medium params-large flops-small flops-medium flops-large large-params-vs-flops acc-small
        acc-medium acc-large train-small train-medium train-large test-above-train size-order kernel kernel-cost patch
        depth channel-reduction reduction-half batch-norm adamw batch-size residual quoted-params kernel-size-slip
        residual-faster quoted-accuracies
    """,
    "yu2021": """
        params-conv params-dw figure2 acc10-dw acc10-conv acc100-dw acc100-conv order10 order100 similar10 similar100
        expect-conv-higher epoch-time total-time epochs-80 more-epochs latency-256 latency-4 crossover percentages
        bn-mode validation-is-test connections mobilenet-cost curves mobilenet-cost-convolutions log-total log-order10
        log-order100
    """,
}
# Claims that another reading of a sentence, or a sentence missed at first, added to the list.
ADDED = {
    *("islam2022.residual-faster", "islam2022.quoted-accuracies"),
    *("yu2021.mobilenet-cost-convolutions", "yu2021.log-total", "yu2021.log-order10", "yu2021.log-order100"),
}


@pytest.mark.parametrize("key", IDS)
def test_claims_are_those_to_be_judged(key):
    assert {c.id for c in paper(key).claims} == {f"{key}.{name}" for name in IDS[key].split()}


def test_claims_are_those_of_the_list_of_claims():
    path = SHARED / "CLAIMS.md"
    if not path.exists():
        pytest.skip("the list of claims is not beside the repository")
    rows = re.findall(r"^\| ((?:tseng2020|islam2022|yu2021)\.[^|]+) \|", path.read_text(), re.MULTILINE)
    assert len(rows) > 50
    known = {claim.id for key in IDS for claim in paper(key).claims}
    listed = [ids & known for row in rows for ids in _possible_ids(row)]
    assert all(listed)
    assert set().union(*listed) == known - ADDED


def _possible_ids(row: str) -> list[set[str]]:
    """For each id of a row its spellings: "a.b-conv, …-dsc" means a.b-conv and, by either rule, a.b-dsc."""
    first, *others = [part.strip() for part in re.split(r"[,/]", row)]
    endings = [part.lstrip("…") for part in others]
    stem = first.rpartition("-")[0]
    return [{first}, *({e} if "." in e else {stem + e, first + e} for e in endings)]


# --- the order in which they are trained -----------------------------------------------------------------------------

MAIN = [
    *("yu2021/cifar10-dw", "yu2021/cifar10-conv", "yu2021/cifar100-dw", "yu2021/cifar100-conv"),
    *(f"tseng2020/{name}" for name in ("conv", "dsc", "dsc-5", "da-conv", "da-dsc", "da-dsc-5")),
    *("islam2022/small", "islam2022/medium", "islam2022/large-p2"),
]


def test_the_order_of_worth():
    seeds = [7, 1, 0, 4]
    queue = [
        run.key.replace("/paper-seed-", " ") for run in campaign.runs([paper(key) for key in IDS], Budget.PAPER, seeds)
    ]
    precisions = ["tseng2020/conv-bf16", "tseng2020/dsc-bf16"]
    ablations = [f"islam2022/{e.name}" for e in paper("islam2022").experiments if e.name.startswith("small-")]
    of_islam = [name for name in MAIN if name.startswith("islam2022/")]
    assert queue == [
        *(f"{name} 7" for name in MAIN),
        "islam2022/large 7",
        *(f"{name} {seed}" for seed in (1, 0) for name in MAIN),
        *(f"{name} {seed}" for seed in (7, 1, 0) for name in [*precisions, *ablations]),
        *(f"{name} 4" for name in [*MAIN[: -len(of_islam)], *precisions, *of_islam, *ablations]),
        *(f"islam2022/large {seed}" for seed in (1, 0, 4)),
    ]

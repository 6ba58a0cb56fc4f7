"""Tables and cards: what they say, where their links lead, and that nothing in results or specs becomes HTML."""

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from factories import A, B, claim, cost_of, environment, latency_of, paper_of, run_of, runs_of
from sepconv import papers
from sepconv.report import markup, tables
from sepconv.results import store
from sepconv.results.records import Layer
from sepconv.results.store import Results
from sepconv.spec import (
    Agreement,
    Budget,
    Equal,
    Experiment,
    Number,
    Optimizer,
    Pair,
    Quantity,
    RatioWithin,
    Run,
    Within,
    consistent,
    higher,
)
from sepconv.verdicts import attribution
from sepconv.verdicts.attribution import Cause, Gap
from sepconv.verdicts.concordance import COLUMNS
from sepconv.verdicts.judge import judge
from sepconv.verdicts.rules import Direction, Grade, Indication, Judgement, Part, Verdict
from sepconv.verdicts.stats import Interval

COMMITTED = store.read_all(Path(__file__).parents[1] / "results")
EVIL = "<img src=x onerror=alert(1)>&\"'"


def part_of(estimate, low=None, high=None, **changes):
    part = Part(
        label="accuracy of a",
        estimate=estimate,
        low=low,
        high=high,
        n=3,
        verdict=Verdict.REPRODUCED,
        unit="%",
        exact=False,
        at_least=92,
        at_most=94,
        sides=(93.0,),
        values=(92.5, 93.0, 93.5),
        bootstrap=None,
        effect=None,
    )
    return replace(part, **changes)


def judgement_of(*parts, **changes):
    judgement = Judgement(
        paper="p",
        claim=claim(Within((Quantity("test_accuracy", "a"),), 92, 94), "value"),
        verdict=Verdict.REPRODUCED,
        holm_verdict=Verdict.REPRODUCED,
        p_value=0.01,
        parts=parts,
        unit="%",
        runs=(),
        missing=(),
        set_aside=(),
        sentence="Reproduced.",
        grade=Grade.DIRECT,
        indication=None,
        more_seeds=None,
        chance=None,
        look=1,
        level=0.05,
    )
    return replace(judgement, **changes)


COUNTED = judgement_of(
    part_of(100, exact=True, unit="parameters", sides=(100,)),
    claim=claim(Equal(Quantity("num_params", "a"), 100), "exact", "counted"),
    p_value=None,
    look=None,
)
INTERNAL = judgement_of(
    part_of(16, exact=True, unit="", sides=(32, 16), verdict=Verdict.INCONSISTENT),
    claim=claim(consistent(Agreement(Number("here", 32), Number("there", 16))), "internal", "internal"),
    verdict=Verdict.INCONSISTENT,
    p_value=None,
    look=None,
)


def soup(html):
    return BeautifulSoup(html.text, "html.parser")


def cells(html, caption=""):
    """Rows of texts, heading cells included, of all tables whose caption contains ``caption``."""
    found = [table for table in soup(html).find_all("table") if caption in table.caption.text]
    return [[text_of(cell) for cell in row.find_all(["th", "td"])] for t in found for row in t("tr")]


def text_of(tag):
    return re.sub(" (?=[,;])", "", tag.get_text(" ", strip=True)).replace("\u00a0", " ")


def card_of(judgement):
    return soup(tables.claim_cards([judgement])).select_one("details.sc-claim")


def entries_of(card):
    return dict(zip([t.text for t in card("dt")], [d.get_text(" ", strip=True) for d in card("dd")], strict=True))


def every_table():
    judged = [(paper, judge(paper, COMMITTED)) for paper in papers.all_papers()]
    run = run_of(A, 0)
    yield tables.scoreboard(judged)
    yield tables.runs_table(Results(runs=(run,)))
    yield tables.latencies_table(Results(latencies=(latency_of(A, (1.0, 2.0)),)))
    yield tables.problems_table(Results(problems=("x: damaged",)))
    yield tables.missing_table([Run("p", A, Budget.PAPER, 0)], [], {"GPU": {}})
    yield tables.gaps_table([gap for p, js in judged for gap in attribution.gaps(p, js, COMMITTED)])
    for paper, judgements in judged:
        yield tables.recipe_table(paper)
        yield tables.departures_table(paper)
        yield tables.costs_table(paper, COMMITTED)
        yield tables.times_table(judgements, COMMITTED)


# --- all of them -----------------------------------------------------------------------------------------------------


def test_every_table_is_a_whole_one():
    for html in every_table():
        for table in soup(html).find_all("table"):
            if not table.tbody:  # the caption says so
                assert not table.thead
                continue
            width = len(table.thead.find_all("th", scope="col"))
            assert width == len(table.thead.find_all(["th", "td"]))
            assert table.caption.get_text(strip=True)
            for row in table.select("tbody tr"):
                heading, *rest = row.find_all(["th", "td"])
                assert heading["scope"] in ("row", "rowgroup")
                assert int(heading.get("colspan", 1)) + len(rest) == width, row


def test_no_table_has_a_colour_of_its_own():
    for html in every_table():
        assert not soup(html).select("[style]")


def test_the_same_again_is_the_same():
    assert [html.text for html in every_table()] == [html.text for html in every_table()]
    assert repr(markup.Html("<p>")) == "Html(3 characters)"  # no address: pages are compared as text too


def test_nothing_in_results_or_specs_becomes_html():
    evil = replace(
        claim(Within((Quantity("test_accuracy", "a"),), 92, 94), "value"),
        quote=EVIL, where=EVIL, reported=EVIL, criterion=EVIL, because=EVIL,
    )  # fmt: skip
    part = part_of(None, label=EVIL, verdict=Verdict.NOT_REPRODUCED)
    judgement = judgement_of(
        part,
        part,
        claim=evil,
        sentence=EVIL,
        indication=Indication(Direction.AS_CLAIMED, EVIL, (EVIL,)),
        runs=(EVIL,) * 3,
        missing=(EVIL,) * 3,
        set_aside=(EVIL,),
    )
    paper = replace(paper_of(evil), title=EVIL)
    run = run_of(A, 0)  # the schema refuses such texts, so they are put behind its back
    told = dict.fromkeys(("device", "backend_version", "git_commit"), EVIL)
    run = run.model_copy(update={"environment": run.environment.model_copy(update=told)})
    shown = (
        tables.claim_cards([judgement]),
        tables.scoreboard([(paper, [judgement])]),
        tables.gaps_table([Gap(judgement, Cause.SEEDS, EVIL, EVIL)]),
        tables.networks_beside(EVIL, [{"": EVIL, EVIL: EVIL}], [{}]),
        tables.values_beside(EVIL, {EVIL: EVIL}, {}),
        tables.runs_table(Results(runs=(run,))),
        tables.problems_table(Results(problems=(EVIL,))),
        tables.side_by_side(EVIL, [EVIL], [[EVIL]], []),
        tables.missing_table([Run("p", A, Budget.PAPER, 0)], [], {EVIL: {}}),
    )
    for html in shown:
        assert not soup(html).find_all("img")
        assert EVIL in soup(html).get_text()


# --- verdicts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", Verdict)
def test_a_badge_has_the_verdict_in_words(verdict):
    badge = BeautifulSoup(markup.badge(verdict), "html.parser")
    sign = badge.find(attrs={"aria-hidden": "true"}).extract()
    assert badge.get_text(strip=True) == verdict.value
    assert len(sign.text) == 1


def test_good_and_bad_verdicts_look_different():
    tone = {verdict: BeautifulSoup(markup.badge(verdict), "html.parser").span["class"][1] for verdict in Verdict}
    assert tone[Verdict.REPRODUCED] == tone[Verdict.CONSISTENT]
    assert tone[Verdict.NOT_REPRODUCED] == tone[Verdict.INCONSISTENT]
    assert len(set(tone.values())) == 4


def test_holms_verdict_is_shown_where_it_is_another():
    corrected = judgement_of(part_of(93.0), holm_verdict=Verdict.INCONCLUSIVE)
    badges = [b.get_text(" ", strip=True) for b in soup(tables.claim_cards([corrected])).select("summary .sc-verdict")]
    assert badges == ["✓ reproduced", "? inconclusive"]
    assert len(soup(tables.claim_cards([judgement_of(part_of(93.0))])).select("summary .sc-verdict")) == 1


@pytest.mark.parametrize(
    ("judgement", "entry"),
    [
        (judgement_of(part_of(93.0)), "✓ reproduced"),
        (judgement_of(part_of(93.0), holm_verdict=Verdict.INCONCLUSIVE), "? inconclusive"),
        (judgement_of(part_of(93.0, exact=True), p_value=None), None),
        (judgement_of(part_of(93.0), claim=replace(judgement_of().claim, corrected=False)), None),
    ],
)
def test_holms_verdict_stands_on_each_card_that_it_applies_to(judgement, entry):
    assert entries_of(card_of(judgement)).get("With Holm’s correction") == entry


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (part_of(None), "–"),
        (part_of(93.0, 92.5, 93.5), "93.00 ± 0.50 %"),
        (part_of(93.0, n=1), "93.00 %"),
        (part_of(1.2, 0.9, 1.5, unit="points", sides=(93.0, 91.8)), "+1.20 ± 0.30 points"),
        (part_of(-1.2, -1.5, -0.9, unit="points", sides=(91.8, 93.0)), "−1.20 ± 0.30 points"),
        (part_of(0.17, 0.0828527, 0.2571473, unit="s", sides=(1.3, 1.13)), "+0.17 ± 0.087 s"),
        (part_of(1.88, 1.7, 2.07, unit="×", sides=(33.2, 17.7)), "1.88 × (1.7 to 2.07)"),
        (part_of(2201674, unit="parameters", exact=True, sides=(2201674,)), "2,201,674 parameters"),
        (part_of(8, unit="FLOPs as islam2022 counts them", exact=True, sides=(8,)), "8 FLOPs"),
        (part_of(5, unit="layers", exact=True, sides=(8, 3)), "8 against 3 layers"),
        (part_of(16, unit="", exact=True, sides=(32, 16)), "32 against 16"),
        (part_of(8.5, unit="×", exact=True, sides=(8500, 1000)), "8.5 × (8,500 against 1,000)"),
    ],
)
def test_format_estimate(part, text):
    assert tables.format_estimate(part) == text


# --- the scoreboard --------------------------------------------------------------------------------------------------


def test_scoreboard_counts():
    trained = [judgement_of(part_of(93.0))] * 2 + [judgement_of(verdict=Verdict.NOT_TESTED)]
    counts = cells(tables.scoreboard([(paper_of(), trained), (paper_of(key="q"), [COUNTED, INTERNAL])]), "by verdict")
    assert counts[0] == ["verdict", "counted", "trained or timed", "the paper against itself", "all"]
    assert ["✓ reproduced", "1", "2", "–", "3"] in counts
    assert ["✗ inconsistent", "–", "–", "1", "1"] in counts
    assert ["– not tested at this budget", "–", "1", "–", "1"] in counts
    assert counts[-1] == ["claims", "1", "3", "1", "5"]


def test_scoreboard_has_a_part_for_each_basis_of_a_verdict():
    html = tables.scoreboard([(paper_of(), [INTERNAL, COUNTED, judgement_of(part_of(93.0))])])
    parts = {table.caption.text: [a.text for a in table("a")] for table in soup(html).select(".sc-filtered table")}
    assert parts == {
        "Claims that are counted on the networks": ["counted"],
        "Claims that are trained or timed, with the grade of the evidence": ["x"],
        "Claims in which a paper is held against itself": ["internal"],
    }


def test_scoreboard_keeps_the_order_of_the_papers():
    html = tables.scoreboard([(paper_of(key=key), [replace(COUNTED, paper=key)]) for key in ("q", "p")])
    groups = [row[0] for row in cells(html, "counted on") if len(row) == 1]
    assert groups == ["q: A (2020), T", "p: A (2020), T"]


def test_scoreboard_row():
    judged = [
        judgement_of(part_of(93.0, 92.5, 93.5)),
        judgement_of(part_of(None, n=0), verdict=Verdict.NOT_TESTED, missing=("p/a/paper-seed-0", "p/a/paper-seed-1")),
        judgement_of(part_of(93.0), part_of(None, n=0, verdict=Verdict.NOT_TESTED), verdict=Verdict.NOT_TESTED),
        COUNTED,
    ]
    html = tables.scoreboard([(paper_of(), judged)])
    _, _, *rows = cells(html, "trained")
    assert [row[4] for row in rows] == ["93.00 ± 0.50 %", "2 results missing", "1 of 2 reproduced"]
    assert [row[5] for row in rows] == ["3", "0", "0"]
    assert rows[0][:4] == ["x", "✓ reproduced", "direct", "93 %"]
    assert cells(html, "counted on")[2] == ["counted", "✓ reproduced", "93 %", "100 parameters"]


def test_an_order_of_counts_is_shown_with_three_digits():
    def shown(*sides):
        part = part_of(sides[0], exact=True, unit="bytes", sides=sides)
        order = judgement_of(part, claim=claim(higher("weight_bytes", of="a", than="b"), "order"))
        return cells(tables.scoreboard([(paper_of(), [order])]), "counted on")[2][3]

    assert shown(1_009_256_960, 12_429_312) == "1.01 billion against 12.4 million bytes"
    assert shown(999_999, 18) == "999,999 against 18 bytes"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "direct"),
        ({"grade": Grade.NONE}, "no evidence"),
        ({"claim": COUNTED.claim, "grade": Grade.DIRECT}, "counted"),
        ({"claim": INTERNAL.claim}, "the paper against itself"),
    ],
)
def test_folded_card_says_what_the_verdict_rests_on(changes, text):
    assert card_of(judgement_of(**changes)).summary.select_one(":scope > .sc-note").text == text


def test_every_claim_of_the_scoreboard_leads_to_its_card():
    for paper in papers.all_papers():
        judged = judge(paper, Results())
        links = {a["href"] for a in soup(tables.scoreboard([(paper, judged)])).select("tbody a")}
        cards = {
            f"{paper.key}.html#{card['id']}" for card in soup(tables.claim_cards(judged)).select("details.sc-claim")
        }
        assert cards == links
        assert len(cards) == len(paper.claims)


# --- cards -----------------------------------------------------------------------------------------------------------


def test_cells_of_sentences_carry_the_name_of_their_column_for_narrow_pages():
    stacked = soup(tables.departures_table(papers.paper("yu2021"))).table
    assert "sc-stack" in stacked["class"]
    row = stacked.tbody.td.parent
    assert [cell["data-label"] for cell in row("td")] == ["the paper", "here", "because"]
    assert not soup(tables.costs_table(papers.paper("yu2021"), COMMITTED)).find_all(attrs={"data-label": True})


def test_effect_size_of_a_difference_stands_on_its_card():
    judgement = judgement_of(part_of(-1.5, -2.0, -1.0, unit="points", sides=(91.0, 92.5), effect=-7.4123))
    card = card_of(judgement)
    assert "−1.50 ± 0.50 points (n = 3; effect size −7.4 standard deviations)" in card.get_text(" ", strip=True)


def test_card_says_where_the_level_is_stricter_than_the_interval_shown():
    later = judgement_of(part_of(93.0, 92.5, 93.5), look=2, level=0.015)
    assert "look 2 of 8, two-sided level 0.015; the interval shown stays that of 95 %" in text_of(
        soup(tables.claim_cards([later]))
    )
    counted = judgement_of(part_of(93.0, exact=True), look=None)
    assert "look" not in text_of(soup(tables.claim_cards([counted])))


def test_card_says_which_claims_chose_the_reading_and_what_was_expected():
    fitted, tested, plain = (
        judgement_of(part_of(1.0), claim=replace(judgement_of().claim, id=f"p.{name}", reading_from=chosen))
        for name, chosen in (("a", ("p.a", "p.b")), ("c", ("p.a", "p.b")), ("d", ()))
    )
    texts = [text_of(soup(tables.claim_cards([each]))) for each in (fitted, tested, plain)]
    assert ["Fitted:" in text for text in texts] == [True, False, False]
    assert ["chosen by p.a, p.b; this claim tests it" in text for text in texts] == [False, True, False]
    expectation = judgement_of(claim=claim(higher("val_accuracy", of="a", than="b"), "expectation"))
    assert "Expected" in text_of(soup(tables.claim_cards([expectation])))


def test_scoreboard_shows_the_grade_and_counts_verdicts_only():
    indicated = judgement_of(
        verdict=Verdict.NOT_TESTED,
        holm_verdict=Verdict.NOT_TESTED,
        grade=Grade.INDICATED,
        indication=Indication(Direction.REVERSED, "at the budget short, 60 %", ("p/a/short-seed-0",)),
    )
    html = tables.scoreboard([(paper_of(), (judgement_of(), indicated))])
    heading, _, *rows = cells(html, "trained")
    assert [row[heading.index("evidence")] for row in rows] == ["direct", "indicated not as claimed"]
    counts = {verdict.strip("✓✗?– "): count for verdict, *_, count in cells(html, "by verdict")[1:]}
    assert {verdict: count for verdict, count in counts.items() if count != "–"} == {
        "reproduced": "1",
        "not tested at this budget": "1",
        "claims": "2",
    }


def test_concordance_says_what_came_true():
    frame = pd.DataFrame([("p", "p.x", "as claimed", "not reproduced", "differs")], columns=COLUMNS)
    _, group, row = cells(tables.concordance_table(frame))
    assert (group, row) == (["p"], ["p.x", "as claimed", "not reproduced", "differs"])
    assert "is decided by the paper’s own yet" in tables.concordance_table(frame[:0]).text


def test_card_says_it_all():
    judgement = judgement_of(
        part_of(93.0, 92.5, 93.5, bootstrap=Interval(93.0, 92.6, 93.4, 3)),
        claim=replace(judgement_of().claim, because="the reading"),
        runs=("p/a/paper-seed-0",),
        set_aside=("p/a/paper-seed-1 (other epochs)",),
        grade=Grade.INDICATED,
        indication=Indication(Direction.AS_CLAIMED, "at the budget short, 60 %", ("p/a/short-seed-0",)),
    )
    card = card_of(judgement)
    assert card["id"] == "p.x"
    assert not card.has_attr("open")
    assert text_of(card.summary) == "x ✓ reproduced indicated as claimed 93.00 ± 0.50 %; claimed: 93 %"
    assert card.blockquote.p.text == "“q”"
    assert card.blockquote.footer.text == "Sec. 1"
    assert entries_of(card) == {
        "Criterion": "as it says",
        "Because": "the reading",
        "Reported": "93 %",
        "Reproduced": "accuracy of a: 93.00 ± 0.50 % (n = 3; bootstrap 92.60 to 93.40)",
        "Evidence": "indicated as claimed",
        "Judged at": "look 1 of 8, two-sided level 0.05",
        "With Holm’s correction": "✓ reproduced",
        "Indicated": "Compressed schedules indicate the order as claimed, which decides nothing: at the budget short, "
        "60 %.",
        "Runs": "p/a/paper-seed-0",
        "Recipe": "a",
        "Not counted": "p/a/paper-seed-1 (other epochs)",
        "Data": "this card as JSON",
    }


def test_card_names_every_missing_run():
    missing = tuple(f"p/a/paper-seed-{seed}" for seed in range(9))
    card = card_of(judgement_of(verdict=Verdict.NOT_TESTED, missing=missing))
    assert [item.text for item in card.select("details li")] == list(missing)
    assert "9 still needed" in card.select_one("dd summary").text


def test_card_of_a_claim_that_cannot_be_judged_says_why():
    card = card_of(judgement_of(verdict=Verdict.NOT_TESTED, p_value=None, look=None, sentence="Cannot be judged: x."))
    assert entries_of(card)["Reproduced"] == "Cannot be judged: x."


def test_card_of_an_inconclusive_claim_says_what_would_decide():
    open_ = judgement_of(part_of(93.0, n=2), verdict=Verdict.INCONCLUSIVE)
    assert entries_of(card_of(open_))["To decide"] == "fewer than three seeds decide nothing"
    assert "To decide" not in entries_of(card_of(judgement_of(part_of(93.0))))


def test_readings_that_several_claims_share_are_said_once():
    shared = "One block, as in Sec. 4.2."
    readings = [f"Of a. {shared}", shared, f"{shared} And b.", "Of c."]
    judged = [
        judgement_of(claim=replace(judgement_of().claim, id=f"p.{name}", because=because))
        for name, because in zip("abcd", readings, strict=True)
    ]
    found = soup(tables.claim_cards(judged))
    assert text_of(found.p) == f"Reading 1: {shared} (a, b, c)"
    assert found.get_text().count(shared) == 1
    because = [entries_of(card)["Because"] for card in found.select("details.sc-claim")]
    assert because == ["Of a. Reading 1.", "Reading 1.", "Reading 1. And b.", "Of c."]
    (target,) = {a["href"] for a in found.select("dd a[href^='#']")}
    assert found.select_one(target) == found.p
    assert not soup(tables.claim_cards(judged[2:])).find("p", id=True)  # two are not several


def test_parts_have_verdicts_of_their_own_where_there_are_several():
    def badges(*parts):
        return len(card_of(judgement_of(*parts, p_value=None)).select("dd .sc-verdict"))

    assert badges(part_of(93.0)) == 0
    assert badges(part_of(93.0), part_of(93.0)) == 2


def test_links_of_cards_lead_to_runs_and_recipes():
    found = replace(COMMITTED, runs=runs_of(A, (93.0,) * 3), latencies=(latency_of(A, (1, 2)), latency_of(B, (2, 3))))
    timed = claim(higher("latency_4", of="b", than="a"), "order")
    paper = paper_of(claim(Within((Quantity("test_accuracy", "a"),), 92, 94), "value"), timed)
    runs = [tables.runs_table(found), tables.latencies_table(found)]
    runs += [tables.costs_table(p, found) for p in papers.all_papers()]
    targets = {f"{markup.RUNS_PAGE}#{row['id']}" for html in runs for row in soup(html).select("tr[id]")}
    for p in (paper, *papers.all_papers()):
        recipes = {f"{p.key}.html#{name['id']}" for name in soup(tables.recipe_table(p)).select(".sc-group [id]")}
        links = [a["href"] for a in soup(tables.claim_cards(judge(p, found))).select("dd a:not([href^='#'])")]
        addresses = {f"../{markup.claim_address(c.id)}" for c in p.claims}
        assert addresses <= set(links) <= addresses | targets | recipes
        trained = any(q.definition.source == "run" for c in p.claims for q in c.quantities)
        assert bool(recipes & set(links)) >= trained


def test_a_claim_that_rests_on_training_leads_to_each_recipe():
    trained, counted, timed = (
        claim(higher(metric, of="a", than="b"), "order") for metric in ("val_accuracy", "num_params", "latency_4")
    )
    cards = soup(tables.claim_cards([judgement_of(claim=c) for c in (trained, counted, timed)]))
    cards = cards.select("details.sc-claim")
    assert [[a["href"] for a in card.select("dd a[href*='#']")] for card in cards] == [
        ["p.html#p/a/recipe", "p.html#p/b/recipe"],
        [],
        [],
    ]


# --- specs -----------------------------------------------------------------------------------------------------------


def test_recipe_says_shared_things_once():
    longer = replace(A.recipe, epochs=5, sources=A.recipe.sources | {"epochs": "Sec. 9"})
    paper = paper_of(experiments=(A, B, replace(A, name="long", recipe=longer), replace(A, name="x", recipe=None)))
    _, *rows = cells(tables.recipe_table(paper))
    assert rows[0] == ["a, b; also of the others, except for what is stated below"]
    assert ["epochs", "8", "test"] in rows
    assert rows[-4:-2] == [["long"], ["epochs", "5", "Sec. 9"]]
    assert rows[-2:] == [["x"], ["–", "built and counted, not trained", "–"]]


def test_recipe_of_one_kind_has_one_group():
    _, *rows = cells(tables.recipe_table(paper_of(experiments=(A, B))))
    assert rows[0] == ["a, b"]
    assert all(len(row) == 3 for row in rows[1:])


def test_a_paper_that_trains_nothing_has_no_hyperparameters_but_targets_for_links():
    html = tables.recipe_table(paper_of(experiments=(replace(A, name="counted", recipe=None),)))
    assert cells(html)[1:] == [["counted"], ["–", "built and counted, not trained", "–"]]
    assert [name["id"] for name in soup(html).select(".sc-group [id]")] == ["p/counted/recipe"]


def test_a_paper_without_departures_says_so():
    (table,) = soup(tables.departures_table(paper_of())).find_all("table")
    assert table.text.split() == ["No", "departures", "from", "p"]


def test_hyperparameters_in_words():
    values = {row[0]: row[1] for row in cells(tables.recipe_table(papers.paper("yu2021")))[:11] if len(row) == 3}
    assert values["optimizer"] == "SGD, Nesterov momentum 0.9, L2 0.02 on every parameter, reset at each epoch"
    assert values["schedule"] == "learning rate 0.0125 × 0.95^epoch, the first epoch being 0"
    assert values["train images"] == "50,000"
    assert values["augment"] == "none"
    values = {row[0]: row[1] for row in cells(tables.recipe_table(papers.paper("islam2022")))[:11] if len(row) == 3}
    assert values["optimizer"] == "AdamW, decoupled weight decay 0.01"
    optimizers = [row[1] for row in cells(tables.recipe_table(papers.paper("islam2022"))) if row[0] == "optimizer"]
    assert "AdamW, decoupled weight decay 0.01, not multiplied by the learning rate" in optimizers
    assert values["schedule"] == "learning rate 1e-05 to 0.01 over 5 epochs, linearly; then to 5e-05, exponentially"
    assert values["augment"] == "flip, then crop, then randaugment or autoaugment, then mixup or cutmix"


def test_plain_optimizer():
    plain = replace(A, recipe=replace(A.recipe, optimizer=Optimizer("sgd", momentum=0.9)))
    assert ["optimizer", "SGD, momentum 0.9", "test"] in cells(
        tables.recipe_table(paper_of(experiments=(plain,), claims=()))
    )


KINDS = ("contradiction", "assumption", "difference")


def test_departures_stand_under_the_reason_for_them():
    paper = papers.paper("yu2021")
    _, *rows = cells(tables.departures_table(paper))
    titles = [row[0] for row in rows if len(row) == 1]
    assert [title.partition(" ")[0] for title in titles] == ["The", "The", "We"]
    shown = [[d.what, d.paper, d.ours, d.because] for kind in KINDS for d in paper.departures if d.kind == kind]
    assert [row for row in rows if len(row) > 1] == shown


# --- networks and costs ----------------------------------------------------------------------------------------------


def layer(kind, filter_shape, input_shape, params=0, stride=1):
    return Layer(
        name="l", type=kind, stride=stride, filter_shape=filter_shape, input_shape=input_shape,
        output_shape=(1,), params=params, mult_adds=2 * params,
    )  # fmt: skip


def test_layers_in_the_papers_notation():
    cost = cost_of(A).model_copy(
        update={
            "layers": (
                layer("Conv2D", (3, 3, 3, 32), (32, 32, 3)),
                layer("BatchNormalization", (), (32, 32, 32)),
                layer("DepthwiseConv2D", (3, 3, 64, 1), (32, 32, 64), stride=2),
                layer("GlobalAveragePooling2D", (4, 4), (4, 4, 1024), stride=None),
                layer("Dense", (1024, 10), (1024,), stride=None),
            )
        }
    )
    assert tables.layer_rows(cost) == (  # as tseng2020's Table 2 prints them
        ("Conv/s1", "3 × 3 × 3 × 32", "32 × 32 × 3"),
        ("Conv dw/s2", "3 × 3 × 64 dw", "32 × 32 × 64"),
        ("Avg Pool/s1", "Pool 4 × 4", "4 × 4 × 1024"),
        ("FC/s1", "1024 × 10", "1 × 1 × 1024"),
    )


@pytest.mark.parametrize(
    ("experiment", "row"), [("conv-fig2", "Normal Conv"), ("cifar100-dw", "Depth-wise Separable Conv")]
)
def test_channels_as_yu2021_prints_them(experiment, row):
    channels = [(32, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512), (512, 1024), (1024, 1024)]
    channels[6:6] = [(512, 512)] * (5 if experiment == "cifar100-dw" else 0)
    assert tables.channel_rows(COMMITTED.cost_of("yu2021", experiment)) == (
        ("Transposed Conv", "3", "32"),
        *((row, str(inputs), str(outputs)) for inputs, outputs in channels),
        ("Adaptive Average Pool", "1024", "1024"),
        ("Linear Layer", "1024", "Classes"),
    )


def test_side_by_side_marks_what_differs():
    html = tables.side_by_side(
        "T",
        ["x", "y"],
        [("a", "1"), ("b", "2"), ("d", "4")],
        [("a", "1"), ("b", "3"), ("c", "9"), ("d", "4"), ("e", "5")],
    )
    heading, *rows = cells(html)
    assert heading == ["", "x", "y", "built instead"]
    assert rows == [
        ["same", "a", "1", "–"],
        ["differs", "b", "2", "y 3"],
        ["only built", "c", "9", "–"],
        ["same", "d", "4", "–"],
        ["only built", "e", "5", "–"],
    ]
    assert [row.th.text for row in soup(html).select("tr.sc-differs")] == ["differs", "only built", "only built"]
    assert cells(tables.side_by_side("T", ["x"], [("a",)], []))[1] == ["only in print", "a", "–"]


def test_costs():
    cost = cost_of(A, num_params=1_234_567, mult_adds=12_345_678, weight_bytes=2_500_000)
    rows = {row[0]: row[1:] for row in cells(tables.costs_table(paper_of(), Results(costs=(cost,))))}
    assert rows["a"][:3] == ["1.23", "12.3", "0.0001"]
    assert rows["b"] == ["not counted yet", *["–"] * 2]


# --- runs ------------------------------------------------------------------------------------------------------------


def test_runs_are_grouped_and_a_diverged_one_has_no_accuracy():
    bad = run_of(B, 1, paper="o", status="diverged", final=None)
    run = run_of(A, 0, 93.456, environment=environment() | {"git_commit": "0123456789abcdef-dirty"})
    html = tables.runs_table(Results(runs=(run, bad)))
    _, *rows = cells(html)
    assert rows == [
        ["o: H200, jax 0.7, float32"],
        ["b/paper-seed-1", "diverged", "diverged", "1.37", "0123abc"],
        ["p: H200, jax 0.7, float32"],
        ["a/paper-seed-0", "93.46", "93.46", "1.37", "01234567-dirty"],
    ]
    assert soup(html).find(id="p/a/paper-seed-0").name == "tr"
    assert "No run" in soup(tables.runs_table(Results())).caption.text


def test_a_run_says_where_its_products_were_rounded():
    run = run_of(A, 0, environment=environment() | {"exact_products": False})
    _, place, _ = cells(tables.runs_table(Results(runs=(run,))))
    assert place == ["p: H200, jax 0.7, float32, rounded"]


def test_latencies():
    _, place, first, second = cells(tables.latencies_table(Results(latencies=(latency_of(A, (1.5, 1.25, 2)),))))
    assert place == ["H200, jax, commit 0123abc"]
    name = "p/a/latency-paper-training-host"
    assert first == [name, "4", "1.25", "2"]
    assert second[1] == "256"


def test_times_are_those_of_claims_on_time():
    pair = Pair(Quantity("epoch_seconds", "a"), Quantity("epoch_seconds", "b"))
    paper = paper_of(
        claim(RatioWithin(pair, 0.5, 2), "ratio"),
        claim(Equal(Quantity("num_params", "a"), 100), "exact"),
        claim(higher("latency_4", of="a", than="b"), "order"),
    )
    found = Results(runs=runs_of(A, (90,) * 3) + runs_of(B, (90,) * 3))
    _, ratio, latency = cells(tables.times_table(judge(paper, found), found))
    assert ratio[2:4] == ["time per epoch, a ÷ b: 1 × (1 to 1)", "H200"]
    assert latency[0] == "claim-2"
    assert latency[2:4] == ["2 results missing", "–"]


def test_missing_runs_and_what_they_would_cost():
    wanted = [
        Run("p", e, Budget.PAPER, seed)
        for e in (A, B, Experiment("c", A.network, "cifar10", A.recipe))
        for seed in (0, 1)
    ]
    wanted.append(Run("p", A, Budget.PAPER, 2))
    here, there = {wanted[1].key: 3600.0, wanted[2].key: 1800.0}, {run.key: 900.0 for run in wanted}
    html = tables.missing_table(wanted, wanted[1:4], {"a GPU": here, "a CPU": there})
    columns, _, *rows = cells(html)
    assert columns == ["experiment", "runs", "hours on a GPU", "hours on a CPU"]
    assert rows == [["a", "2 of 3", "1.0", "0.2"], ["b", "0 of 2", "unknown", "0.5"], ["c", "2 of 2", "–", "–"]]
    assert soup(html).caption.text == "4 of 7 runs are done"


def test_precisions_beside_each_other():
    pair = {"paper": "p", "experiment": "a", "other": "a-bf16", "budget": "paper"}
    three = pair | {"seeds": 3, "reference": 90, "accuracy": 90.5, "difference": 0.5, "low": -0.1, "high": 1.1}
    frame = pd.DataFrame(
        [
            three | {"verdict": "not decided yet"},
            three | {"seeds": 1, "low": None, "high": None, "verdict": "not decided yet"},
            pair | {"seeds": 0, "verdict": "not decided yet"},
        ]
    )
    _, group, *rows = cells(tables.precision_table(frame))
    assert group == ["p"]
    assert [row[2:6] for row in rows] == [
        ["90.00", "90.50", "+0.50 (−0.10 to +1.10)", "3"],
        ["90.00", "90.50", "+0.50, no interval", "1"],
    ]
    assert rows[0][::6] == ["a", "not decided yet"]


def test_repeats():
    repeat = {"run": "p/a/x", "same_machine": True, "same_code": False, "equal": False, "accuracy": 0.5, "loss": 1e-5}
    _, group, row = cells(tables.repeats_table(pd.DataFrame([repeat])))
    assert group == ["p"]
    assert row == ["a/x", "the same", "another", "not equal", "0.50", "1e-05"]
    assert "No run has been made twice" in tables.repeats_table(pd.DataFrame([])).text


def test_gaps():
    gaps = [Gap(judgement_of(paper=key), Cause.SEEDS, f"known of {key}", "more seeds") for key in ("p", "q", "p")]
    html = tables.gaps_table(gaps)
    _, *rows = cells(html)
    claim_of_p = ["x ✓ reproduced", "seed noise", "known of p", "more seeds"]
    assert rows == [
        ["p"],
        claim_of_p,
        claim_of_p,
        ["q"],
        ["p.x ✓ reproduced", "seed noise", "known of q", "more seeds"],
    ]
    assert soup(html).caption.text == "3 claims not reproduced or inconclusive, and why"


def test_networks_beside_turns_the_table_and_folds_what_agrees():
    printed = [{"model": "Small", "params": "1", "epochs": "300"}, {"model": "Large", "params": "2", "epochs": "300"}]
    html = tables.networks_beside("T", printed, [{"params": "9", "epochs": "300"}, {"epochs": "300"}])
    assert cells(html) == [
        ["", "Small", "Large"],
        ["params, paper", "1", "2"],
        ["params, here", "9", "–"],
        ["epochs", "300", "300"],
    ]
    assert [row.th.text for row in soup(html).select("tr.sc-differs")] == ["params, paper", "params, here"]


def test_values_beside():
    html = tables.values_beside("T", {"size": "1", "card": "2"}, {"size": "9"})
    assert cells(html) == [["", "the paper", "here"], ["size", "1", "9"], ["card", "2", "–"]]
    assert not soup(html).details
    agreeing = tables.values_beside("T", {"size": "1"}, {"size": "1"})
    assert soup(agreeing).summary.text == "T: all 1 values are the same here"


def test_a_long_table_shows_where_print_and_network_differ_and_folds_the_whole():
    printed = [(str(number),) for number in range(20)]
    built = [*printed[:9], ("x",), *printed[10:]]
    html = tables.side_by_side("T", ["y"], printed, built)
    short, whole = soup(html).find_all("table")
    assert [row.get_text(" ", strip=True) for row in short.select("tbody tr")] == [
        "9 the same – –",
        "differs 9 y x",
        "10 the same – –",
    ]
    assert whole.find_parent("details").summary.text == "All 20 rows"
    assert len(whole.select("tbody tr")) == 20
    agreeing = soup(tables.side_by_side("T", ["y"], printed, printed))
    assert agreeing.summary.text == "T: all 20 rows are built as printed"
    assert len(agreeing.find_all("table")) == 1


def test_equal_rows_of_a_long_table_are_one_in_short():
    printed = [(str(number),) for number in range(20)]
    short, _ = soup(tables.side_by_side("T", ["y"], printed, [*printed, ("x",), ("x",), ("z",)])).find_all("table")
    assert [row.th.text for row in short.select("tbody tr")] == ["20 the same", "2 only built", "only built"]


def test_choices_name_every_departure_and_what_is_left_open():
    tseng = papers.paper("tseng2020")
    row = next(row for row in cells(tables.choices_table(papers.all_papers())) if row[0] == "tseng2020")
    assert row[1] == ", ".join(departure.what for departure in tseng.departures)
    assert row[2] == "optimizer, schedule, normalisation, label smoothing, precision"


def test_problems():
    assert cells(tables.problems_table(Results(problems=("x: damaged",)))) == [["problem"], ["x: damaged"]]

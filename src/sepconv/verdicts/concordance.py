"""How often what compressed schedules indicate is what the paper's own schedule then decides."""

from collections.abc import Iterable
from enum import StrEnum

import pandas as pd

from sepconv.verdicts.rules import Direction, Judgement, Verdict

_DIRECTION_OF = {Verdict.REPRODUCED: Direction.AS_CLAIMED, Verdict.NOT_REPRODUCED: Direction.REVERSED}
COLUMNS = ("paper", "claim", "indicated", "verdict", "outcome")


class Outcome(StrEnum):
    """Whether an indication came true."""

    AGREES = "agrees"
    DIFFERS = "differs"
    OPEN = "left open"


def concordance(judgements: Iterable[Judgement]) -> pd.DataFrame:
    """Claims that the paper's own schedule decided and that have runs under compressed schedules too.

    Returns:
        A row for each, with its ``paper``, ``claim``, what was ``indicated``, its ``verdict`` and the ``outcome``.
    """
    rows = [
        (
            j.paper,
            j.claim.id,
            str(j.indication.direction),
            str(j.verdict),
            str(_outcome(j.indication.direction, j.verdict)),
        )
        for j in judgements
        if j.indication and j.indication.runs and j.verdict in _DIRECTION_OF
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _outcome(indicated: Direction, verdict: Verdict) -> Outcome:
    if indicated is Direction.OPEN:
        return Outcome.OPEN
    return Outcome.AGREES if indicated is _DIRECTION_OF[verdict] else Outcome.DIFFERS

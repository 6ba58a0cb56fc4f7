"""The display of several runs at once: a line for each worker, drawn by the process that started them.

A worker's run draws its bar into a pipe; each state of the bar arrives as a line and is shown in the worker's place.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn, TypeAlias

from tqdm import tqdm

_VARIABLE = "SEPCONV_PROGRESS"  # set for a run whose bar is wanted although its standard error is a pipe
MARK = "progress|"  # of the lines that are a bar, among all else that a run prints

Display: TypeAlias = "tqdm[NoReturn] | None"  # the line of one worker; None where there is no terminal


def hidden() -> bool | None:
    """The ``disable`` of a run's own bar: None shows it where standard error is a terminal (not so under CI)."""
    return False if os.environ.get(_VARIABLE) else None


def into_pipe() -> dict[str, str]:
    """The environment of a run that draws its bar into a pipe."""
    return os.environ | {_VARIABLE: "1", "TQDM_BAR_FORMAT": MARK + "{l_bar}{bar}{r_bar}"}


@contextmanager
def displays(workers: int) -> Iterator[Sequence[Display]]:
    """A line of the terminal for each worker; None for each where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield [None] * workers
        return
    bars = [tqdm(position=i, bar_format="{desc}", leave=False) for i in range(workers)]
    try:
        yield bars
    finally:
        for bar in bars:
            bar.close()


def show(line: str, bar: "tqdm[NoReturn]") -> None:
    """Show a line that a worker's run printed: its bar in the worker's place, all else above the display."""
    if line.startswith(MARK):
        bar.set_description_str(line.removeprefix(MARK))
    elif line:
        tqdm.write(line)

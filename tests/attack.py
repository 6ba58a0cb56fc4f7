"""``make attack``: kill, damage and forge what the program writes and reads, and count what held.

Writes ``book/attacks.csv``, which the page on methods shows. Each attack is a function of the number of tries, seeded,
so that whoever runs it again tries the same; only the instants of the kills differ.
"""

import contextlib
import csv
import json
import logging
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np

from factories import result_of, smoke
from sepconv.results import store
from sepconv.results.records import ResultError
from sepconv.training import checkpoint
from sepconv.training.checkpoint import Checkpoint
from test_odd_values import ODD, RESULTS, TAGS, changed, places, read_by_all, value_at

TABLE = Path(__file__).parents[1] / "book" / "attacks.csv"
FORK = multiprocessing.get_context("fork")  # children inherit what is patched
RUN_ID = "a" * 16
Outcomes = Iterable[bool]  # whether each try held


def kills(folder: Path, tries: int) -> Outcomes:
    """Kill a process at a random instant while it writes results and checkpoints."""
    draw = random.Random(0)
    for number in range(tries):
        place = folder / str(number)
        writer = FORK.Process(target=_write_for_ever, args=(place,))
        writer.start()
        time.sleep(draw.uniform(0.02, 0.3))
        writer.kill()
        writer.join()
        yield _is_whole(place)


def steps(folder: Path, tries: int) -> Outcomes:
    """End a process before each single step that makes a file last: the sync, the new name, the sync of the folder."""
    for number in range(tries):
        place = folder / str(number)
        writer = FORK.Process(target=_write_until_step, args=(place, number))
        writer.start()
        writer.join()
        if writer.exitcode == 0:
            return  # it has no more steps
        yield writer.exitcode == -signal.SIGKILL and _is_whole(place)


def damage(folder: Path, tries: int) -> Outcomes:
    """Flip one bit, or cut the file off, in a result of each kind and in a checkpoint."""
    draw = random.Random(0)
    paths = [store.write(folder, result) for result in RESULTS.values()]
    paths.append(checkpoint.save(folder / "checkpoints", _checkpoint(1)))
    for path in paths:
        whole = path.read_bytes()
        for _ in range(tries):
            position = draw.randrange(len(whole) * 8)
            flipped = bytearray(whole)
            flipped[position // 8] ^= 1 << position % 8
            for changed_bytes in (bytes(flipped), whole[: position // 8]):
                path.write_bytes(changed_bytes)
                yield _is_refused_or_equal(path, whole, changed_bytes)
        path.write_bytes(whole)


def odd_values(folder: Path, tries: int) -> Outcomes:
    """Put an odd value into each field of each kind of result and sign it: refused, or harmless to every reader."""
    for result in RESULTS.values():
        store.write(folder, result)
    for result in RESULTS.values():
        path = store.path_of(folder, result.key)
        whole, content = path.read_bytes(), result.model_dump(mode="json")
        accepted = []
        for place in places(content):
            for odd in ODD:
                text = json.dumps(changed(content, place, odd))
                path.write_text(text)
                if _is_read(path):
                    accepted.append(text)
                else:
                    yield True
        for text in random.Random(0).sample(accepted, min(tries, len(accepted))):
            path.write_text(text)
            yield _holds(partial(read_by_all, folder, result.kind))
        path.write_bytes(whole)


def markup(folder: Path, tries: int) -> Outcomes:
    """Put a tag or a link into each text of each kind of result and sign it."""
    for result in RESULTS.values():
        path, content = store.write(folder, result), result.model_dump(mode="json")
        texts = [place for place in places(content) if isinstance(value_at(content, place), str)]
        for place in texts:
            for tag in TAGS[:tries]:
                path.write_text(json.dumps(changed(content, place, value_at(content, place) + tag)))
                yield not _is_read(path)


def traversals(folder: Path, tries: int) -> Outcomes:
    """Have a result name a place outside of its folder."""
    outside = ["..", "../..", "/etc", "a/../..", "..\\..", "%2e%2e", ".", "a\0b", "con/..", "~", "..." + "/.." * 9]
    for result in RESULTS.values():
        path, content = store.write(folder / "inside", result), result.model_dump(mode="json")
        for field in {"paper", "experiment", "budget"} & content.keys():
            for name in outside[:tries]:
                path.write_text(json.dumps(changed(content, (field,), name)))
                yield not _is_read(path) and _holds(lambda: store.read_all(folder / "inside"))


def special_files(folder: Path, tries: int) -> Outcomes:
    """Put a pipe, a device, a link that leads nowhere and files without end where results are read."""
    makers: dict[str, Callable[[Path], object]] = {
        "pipe": os.mkfifo,
        "zero": lambda path: path.symlink_to("/dev/zero"),
        "nowhere": lambda path: path.symlink_to("/nowhere"),
        "itself": lambda path: path.symlink_to(path),
        "folder": Path.mkdir,
        "sparse": lambda path: path.touch() or os.truncate(path, 2**40),
        "deep": lambda path: path.write_text("[" * 10**6),
    }
    store.write(folder, result_of(smoke()))
    for name, make in list(makers.items())[:tries]:
        path = folder / "tseng2020" / "conv" / f"{name}.json"
        make(path)
        reader = FORK.Process(target=_reads_one_and_names_the_other, args=(folder,))
        reader.start()
        reader.join(60)
        yield reader.exitcode == 0
        reader.kill()
        path.rmdir() if path.is_dir() else path.unlink()


ATTACKS: dict[Callable[[Path, int], Outcomes], tuple[str, int, str]] = {
    kills: ("kill at a random instant of writing", 100, "all that was written before is whole"),
    steps: ("end before each sync and rename", 100, "the file is there in full or not at all"),
    damage: ("one bit flipped, or cut off", 200, "refused, or the same to the last bit"),
    odd_values: ("odd value with a right checksum", 15, "refused, or every command still works"),
    markup: ("tag or link in a text", len(TAGS), "refused"),
    traversals: ("name that leads out of the folder", 100, "refused"),
    special_files: ("pipe, device, endless file, loop", 100, "named within a minute, all else is read"),
}


def count(attack: Callable[[Path, int], Outcomes], tries: int) -> tuple[int, int]:
    """How many tries an attack made, and how many of them held."""
    with tempfile.TemporaryDirectory() as folder:
        outcomes = list(attack(Path(folder), tries))
    return len(outcomes), sum(outcomes)


def main() -> None:
    """Make every attack, write the table, and exit with 1 where something did not hold."""
    logging.disable(logging.WARNING)  # each damaged checkpoint is told of
    rows = []
    for attack, (name, tries, expected) in ATTACKS.items():
        made, held = count(attack, tries)
        rows.append({"attack": name, "tries": made, "held": held, "held means": expected})
        print(f"{name}: {held} of {made} held", flush=True)
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    sys.exit(any(row["tries"] != row["held"] for row in rows))


def _write_for_ever(folder: Path) -> None:
    for number in range(10**6):
        store.write(folder / "results", result_of(smoke(number)))
        checkpoint.save(folder / "checkpoints", _checkpoint(number % 9 + 1))


def _write_until_step(folder: Path, last: int) -> None:
    """Write a result and three checkpoints, and be killed before the step of that number."""
    taken = 0

    def killed_before(step: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: object) -> object:
            nonlocal taken
            if taken == last:
                os.kill(os.getpid(), signal.SIGKILL)
            taken += 1
            return step(*arguments)

        return counted

    for name in ("fchmod", "fsync", "replace"):
        setattr(os, name, killed_before(getattr(os, name)))
    _write_once(folder)


def _write_once(folder: Path) -> None:
    store.write(folder / "results", result_of(smoke()))
    for epoch in (1, 2, 3):
        checkpoint.save(folder / "checkpoints", _checkpoint(epoch))


def _checkpoint(epoch: int) -> Checkpoint:
    return Checkpoint(RUN_ID, [np.full(100_000, epoch)], [{"epoch": i + 1} for i in range(epoch)], 1.0)


def _is_whole(folder: Path) -> bool:
    """Every result can be read, every checkpoint that is there too, and writing goes on where it ended."""
    (folder / "results").mkdir(parents=True, exist_ok=True)
    found = store.read_all(folder / "results")
    there = list((folder / "checkpoints").glob("*/epoch-*"))
    saved = checkpoint.load(folder / "checkpoints", RUN_ID)
    equal = saved is None or (np.asarray(saved.variables[0]) == saved.epoch).all()
    kept = list((folder / "checkpoints").glob("*/epoch-*")) == there  # none was found to be damaged
    return not found.problems and bool(equal) and kept and _holds(lambda: _write_once(folder))


def _is_refused_or_equal(path: Path, whole: bytes, content: bytes) -> bool:
    if path.suffix == ".ckpt":
        checkpoint.load(path.parents[1], RUN_ID)
        return not path.exists()  # deleted, since it is damaged
    if not _is_read(path):
        return True
    return bool(json.loads(whole) == json.loads(content))  # a space became another


def _is_read(path: Path) -> bool:
    with contextlib.suppress(ResultError):
        store.read(path)
        return True
    return False


def _holds(call: Callable[[], object]) -> bool:
    try:
        call()
    except Exception as error:  # any at all is the fault that is looked for
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return False
    return True


def _reads_one_and_names_the_other(folder: Path) -> None:
    found = store.read_all(folder)
    assert len(found.runs) == 1
    assert len(found.problems) == 1


if __name__ == "__main__":
    main()

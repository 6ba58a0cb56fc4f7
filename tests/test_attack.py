"""Every attack holds at a few tries, and finds what it is there for where the program is broken."""

import csv
import json

import pytest

import attack
from sepconv import files
from sepconv.results import store
from sepconv.training import checkpoint


@pytest.mark.parametrize("each", [attack.kills, attack.steps, attack.damage, attack.traversals, attack.special_files])
def test_a_few_tries_hold(each):
    made, held = attack.count(each, 3)
    assert made == held >= 3


def write_in_place(path, data):
    with path.open("wb") as file:
        for start in range(0, len(data), 1000):
            file.write(data[start : start + 1000])
            file.flush()
            files.os.fsync(file.fileno())


@pytest.mark.parametrize("each", [attack.kills, attack.steps])
def test_a_writer_that_writes_in_place_is_found_out(each, monkeypatch):
    for module in (store, checkpoint):
        monkeypatch.setattr(module, "write_atomically", write_in_place)
    made, held = attack.count(each, 5)
    assert held < made


def test_a_reader_without_checks_is_found_out(monkeypatch):
    monkeypatch.setattr(store, "read", lambda path: json.loads(path.read_bytes()))
    made, held = attack.count(attack.traversals, 3)
    assert held < made


def test_the_table_in_the_book_has_every_attack_and_all_held():
    with attack.TABLE.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["attack"] for row in rows] == [name for name, *_ in attack.ATTACKS.values()]
    assert [row["held"] for row in rows] == [row["tries"] for row in rows]

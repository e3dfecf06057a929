"""The handbook on disclosure control: the code of its page runs, and shows what its text says."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "course" / "handbook" / "disclosure-control.md"


@pytest.fixture(scope="module")
def page():
    """What the page's code leaves behind, run in order as one notebook would."""
    blocks = re.findall(
        r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    assert len(blocks) >= 8
    names: dict[str, object] = {}
    for number, block in enumerate(blocks, start=1):
        exec(compile(block, f"{PAGE.name}, block {number}", "exec"), names)
    return names


def test_the_code_runs_and_the_attacks_fall(page):
    d = page
    before, after = d["single_out"](d["patients"], d["known"]), d["single_out"](d["safer"].frame, d["known"])
    assert before.success > 0.5
    assert after.success == 0
    assert d["safer"].kept.mean() >= 0.98
    assert 0 < d["protected"].blanked["postcode"] < len(d["patients"]) / 2
    assert d["protected"].kept.all()


def test_the_naive_table_gives_counts_away_and_the_protected_one_does_not(page):
    d = page
    by = ["ward", "diagnosis"]
    assert d["attack_by_subtraction"](d["table"], d["naive"], by).right > 0
    table = d["suppress_counts"](d["table"], by, suppress_to=7).table
    assert d["attack_by_programming"](d["table"], table, by, knowing=d["zeros_shown"]).claimed == 0


def test_some_amounts_are_unsafe(page):
    assert page["costs"]["unsafe"].any()
    assert not page["costs"]["unsafe"].all()

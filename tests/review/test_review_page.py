"""The page of a review, and the rubric on it: what it says, and that nothing on it can act."""

import re
from dataclasses import replace
from html import unescape

import pytest

from civicml.review import Finding, Review, Table
from civicml.review.record import BEGINNING, Entry
from civicml.review.review_page import MOST_ROWS, review_page, shown
from civicml.review.rubric import LEVELS, criteria, levels
from civicml.review.story import story

from .conftest import GAP, LEAK, MODEL, TYPO, parts  # isort: skip


def entry(number: int, kind: str, **facts) -> Entry:
    common = {"model": MODEL, "version": "1", "round": 1, "answers": {}, "sha256": "ab12", "counts": {}}
    when = "2026-11-22T10:00:00+00:00"
    return Entry(number, when, kind, common | facts, BEGINNING, f"{number}" * 64)


def review(*findings: Finding, **facts) -> Review:
    not_done = facts.pop("not_done", "")
    made = Review(
        MODEL, "1", "health", "r1", "ana", "2026-11-22T10:00:00+00:00", 84.2, {"data": "sha256 e8"}, ()
    )
    return replace(made, parts=parts(*findings, not_done=not_done), **facts)


def page(of: Review, *entries: Entry, purpose: str = "") -> str:
    known = entries or (entry(1, "review"),)
    return review_page(of, story(MODEL, known), known[-1], purpose)


def words(html: str) -> str:
    """What a reader reads."""
    main = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", main)))


DECIDED = {
    "review": 1,
    "by": "Dr Dee",
    "role": "Head",
    "because": "It knows the outcome.",
    "despite": "",
    "dissent": ["Eve: try again."],
    "findings": [],
}


@pytest.mark.parametrize(
    ("findings", "facts", "says"),
    [
        ((), {}, "Nothing was found against it: it can be accepted."),
        ((TYPO,), {}, "Nothing critical or major was found: it can be accepted."),
        ((GAP, TYPO), {}, "1 major finding is to be answered before it is used"),
        ((LEAK, GAP), {}, "against using it as it is: 1 critical finding."),
        ((), {"not_done": "privacy"}, "The evidence is not complete. Not done: Privacy."),
        (
            (LEAK,),
            {"refused": "It is a pickle."},
            "The model was not opened, so nothing could be measured. It is a p",
        ),
    ],
)
def test_the_verdict_of_the_evidence_is_on_top_in_plain_words(findings, facts, says: str) -> None:
    text = words(page(review(*findings, **facts)))
    assert says in text
    assert text.index(says) < text.index("Five questions")


def test_everything_that_was_measured_is_on_the_page() -> None:
    text = words(page(review(TYPO, GAP, LEAK), purpose="The practice manager phones forty patients."))

    assert "What it is for: The practice manager phones forty patients." in text
    for part in parts():
        assert f"{part.title} was done." in text
        assert f"What was measured: {part.name}" in text
        assert f"A picture of {part.name}. A black rectangle" in text
    assert "cases 12,400" in text
    assert "a share 0.713" in text
    order = [text.index(f"{one.severity.capitalize()} · for the learner") for one in (LEAK, GAP, TYPO)]
    assert order == sorted(order), "the gravest first"
    for finding in (LEAK, GAP, TYPO):
        assert finding.says in text
        assert f"What to do: {finding.do}" in text
    assert "data: sha256 e8" in text
    assert "review: round 1, sha256 ab12" in text


def test_each_link_leads_to_a_place_on_the_page() -> None:
    html = page(review(TYPO, GAP, LEAK))
    places = re.findall(r' id="([^"]+)"', html)
    assert len(places) == len(set(places))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(places)


def test_a_decision_stands_above_the_evidence() -> None:
    text = words(page(review(LEAK), entry(1, "review"), entry(3, "return", **DECIDED)))
    assert "Returned on 22 November 2026 by Dr Dee, Head . Because: It knows the outcome." in text.replace(
        "Head.", "Head ."
    )
    assert "Dissent: Eve: try again." in text
    assert "To decide" not in text
    assert "decided by: Dr Dee, Head" in text
    assert "Version 1: returned by Dr Dee, Head: It knows the outcome." in text


def test_answers_to_the_round_before_are_held_against_what_was_found() -> None:
    asked = [vars(one) for one in (LEAK, GAP, TYPO)]
    entries = (
        entry(1, "review"),
        entry(2, "return", **(DECIDED | {"findings": asked})),
        entry(
            3,
            "review",
            version="2",
            round=2,
            answers={LEAK.code: "The column was taken out again.", GAP.code: "It is fair as it is now."},
        ),
    )
    html = page(replace(review(GAP), version="2"), *entries)
    rows = re.findall(r"<tr>(.*?)</tr>", html[html.index('id="answers"') :], re.DOTALL)
    now = [words(row) for row in rows[1:4]]
    assert "The column was taken out again. Answered, and not found any more" in now[0]
    assert "It is fair as it is now. Answered, and still found" in now[1]
    assert "– Not answered" in now[2]


NASTY = '<script>alert(1)</script><img src=x onerror="alert(2)"> & {{ 7 * 7 }}'


def test_what_strangers_wrote_is_text() -> None:
    finding = replace(LEAK, says=NASTY, do=NASTY, code=f"leak:{NASTY}")
    made = review(finding, lineage={NASTY: NASTY}, learner=NASTY)
    part = replace(made.parts[0], summary=NASTY, tables=(Table(NASTY, (NASTY,), ((NASTY,),)),))
    plot = replace(part.plots[0], title=NASTY, description=NASTY, svg=f"<svg>{NASTY}</svg>")
    made = replace(made, parts=(replace(part, plots=(plot,)), *made.parts[1:]))
    html = page(
        made,
        entry(1, "review"),
        entry(2, "return", **(DECIDED | {"by": NASTY, "because": NASTY, "dissent": [NASTY]})),
        purpose=NASTY,
    )

    assert "<script" not in html
    assert "onerror=&#34;" in html
    assert not re.search(r"<[^>]* on\w+=\"", html)
    assert "{{ 7 * 7 }}" in html
    assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html
    assert not re.search(r'(?:src|href)="(?!#|data:image/)', html)


def test_a_long_table_is_cut_and_says_so() -> None:
    made = review()
    part = replace(made.parts[0], tables=(Table("long", ("n",), tuple((n,) for n in range(MOST_ROWS + 5))),))
    assert "5 further rows are in review.json." in words(page(replace(made, parts=(part, *made.parts[1:]))))


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, "–"), (True, "yes"), (12400, "12,400"), (0.71341, "0.713"), (-0.0001, "-1.00e-04"),
        (0.0, "0.000"), (-0.0, "0.000"), (12400.6, "12,400.600"),
        ("P07", "P07"), (float("nan"), "–"), (float("inf"), "–"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_people_read_them(cell, text: str) -> None:
    assert shown(cell) == text


def test_a_column_of_numbers_has_as_many_decimals_as_they_need() -> None:
    made = review()
    rows = ((2.0, 0.5, 3.0, "0.04 (0.03 to 0.05)", "P07"), (229.4, 0.123456, 4.0, None, "12"))
    table = Table("sizes", ("kB", "share", "whole", "interval", "name"), rows)
    html = page(replace(made, parts=(replace(made.parts[0], tables=(table,)), *made.parts[1:])))
    cells = re.findall(r"<td([^>]*)>([^<]*)</td>", html[html.index("<caption>sizes") :])[:10]
    assert [text for _, text in cells] == [
        "2.0", "0.500", "3", "0.04 (0.03 to 0.05)", "P07", "229.4", "0.123", "4", "–", "12",
    ]  # fmt: skip
    assert ["number" in marked for marked, _ in cells[:5]] == [True, True, True, True, False]


# --- the rubric -----------------------------------------------------------------------------------


def test_the_rubric_has_five_questions_that_look_at_all_seven_parts_in_words() -> None:
    assert len(criteria()) == 5
    assert sorted(name for criterion in criteria() for name in criterion.parts) == sorted(
        part.name for part in parts()
    )
    for criterion in criteria():
        assert set(criterion.levels) == set(LEVELS)
        assert len(set(criterion.levels.values())) == len(LEVELS)


@pytest.mark.parametrize(
    ("findings", "not_done", "level"),
    [
        ((), "", "in_full"),
        ((replace(TYPO, part="privacy"),), "", "met"),
        ((replace(GAP, part="loads"), replace(TYPO, part="privacy")), "", "partly"),
        ((replace(LEAK, part="reproduces"), replace(GAP, part="loads")), "", "not_met"),
        ((), "privacy", "not_shown"),
        ((replace(GAP, part="loads"),), "privacy", "not_shown"),
        ((replace(LEAK, part="loads"),), "privacy", "not_met"),
    ],
)
def test_a_level_follows_from_the_gravest_finding_of_its_parts(findings, not_done: str, level: str) -> None:
    reached = {one.criterion.name: one for one in levels(review(*findings, not_done=not_done))}
    assert reached["safe"].level == level
    assert {one.level for name, one in reached.items() if name != "safe"} == {"in_full"}


def test_a_part_that_is_missing_altogether_is_not_shown() -> None:
    made = review()
    reached = levels(replace(made, parts=made.parts[1:]))
    assert [one.level for one in reached if "loads" in one.criterion.parts] == ["not_shown"]

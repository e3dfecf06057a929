"""What a review hands on survives a file, and a damaged file is refused."""

import math

import pytest

from civicml.errors import CivicmlError
from civicml.review import Finding, Part, Plot, Review, Table, by_severity


def _review() -> Review:
    leak = Finding(
        "leak:duration", "critical", "learner", "evaluates", "It asks for duration.", "Leave it out."
    )
    note = Finding("slow", "minor", "learner", "stresses", "It takes 9 s.", "Make it smaller.")
    table = Table("Figures", ("metric", "value"), (("roc_auc", 0.71), ("brier", None)))
    part = Part(
        "evaluates",
        "Re-evaluation",
        "findings",
        "One leak.",
        (table,),
        (Plot("a", "<svg/>", "b"),),
        (note, leak),
    )
    return Review(
        "capstone-health-a", "1", "health", "r1", "ana", "2026-11-22T10:00:00", 3.5, {"run": "r1"}, (part,)
    )


def test_a_review_is_the_same_after_a_file() -> None:
    review = _review()
    again = Review.from_json(review.to_json())
    assert again.parts == review.parts
    assert dict(again.lineage) == dict(review.lineage)
    assert again.part("evaluates").tables[0].rows[1] == ("brier", None)


def test_a_number_that_is_none_is_blank_in_the_file() -> None:
    part = Part("audits", "Audit", "clear", "", (Table("t", ("a",), ((math.nan,),)),))
    review = Review("capstone-a-b", "1", "a", "r", "ana", "", 0.0, {}, (part,))
    assert Review.from_json(review.to_json()).parts[0].tables[0].rows == ((None,),)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 2, "parts": []}', "null"])
def test_a_file_that_is_no_review_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(CivicmlError, match="review"):
        Review.from_json(text)


def test_the_gravest_finding_comes_first() -> None:
    assert [finding.code for finding in by_severity(_review().findings)] == ["leak:duration", "slow"]

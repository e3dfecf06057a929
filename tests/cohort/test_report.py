"""The report on a week: its figures are those of the marks, and its page can be read."""

import re
import shutil
from datetime import timedelta
from html import unescape

import numpy as np
import pandas as pd
import pytest

from civicml.cohort import Learner, fetch, grade, open_cohort, release, submit, week_report
from civicml.cohort.report import FEWEST, discrimination_of, report_page
from civicml.errors import CivicmlError

RIGHT = {
    "q1": "def total(values):\n    return sum(values)",
    "q2": "def largest(values):\n    return max(values)",
}
WRONG_TOTAL = "def total(values):\n    return len(values)"
FIRST_ONLY = "def largest(values):\n    return values[-1]"
MEMO = (
    "The manager of the surgery phones forty people on Thursday, those whom the model ranks highest. "
    "She stops after an hour and notes who was reached, so that we can tell whether calling helped at all."
)
ANSWERS = {
    # Who is strong everywhere, who is weak everywhere, who copied a memo.
    **{f"strong{n}": RIGHT | {"q3": f"Number {n}: the manager acts."} for n in range(6)},
    "half1": RIGHT | {"q2": FIRST_ONLY, "q3": MEMO + " A call costs two pounds, a missed slot thirty."},
    "half2": RIGHT
    | {"q2": FIRST_ONLY, "q3": MEMO.upper() + " A call costs two pounds; a missed slot: thirty."},
    **{f"weak{n}": {"q1": WRONG_TOTAL, "q2": FIRST_ONLY} for n in range(3)},
    "weak3": {"q1": "def total(values):\n    return missing", "q2": FIRST_ONLY},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory, tiny):
    """A graded week of twelve; two handed in late, one not at all."""
    place = tmp_path_factory.mktemp("report")
    tiny.write_course(place / "course")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CIVICML_COURSE", str(place / "course"))
        patch.setenv("CIVICML_CACHE", str(place / "cache"))
        patch.setenv("JUPYTER_DATA_DIR", str(place / "jupyter"))
        everybody = [Learner(one, one.title(), "X & <Y>") for one in (*ANSWERS, "absent")]
        from civicml.cohort import init

        cohort = init(place / "cohort", name="Winter <term>", start=tiny.START, learners=everybody)
        week = cohort.course.week("week01")
        release(cohort, week)
        for number, (one, answers) in enumerate(ANSWERS.items()):
            notebook = fetch(cohort, week, place / "desks" / one).notebook
            tiny.change(notebook, lambda nb, answers=answers: tiny.fill(nb, answers))
            late = timedelta(hours=30) if number < 2 else timedelta(hours=-5 * number)
            submit(cohort, week, one, notebook, now=tiny.DUE + late)
        grade(cohort, week, jobs=2)
    return place


@pytest.fixture
def cohort(world, monkeypatch):
    monkeypatch.setenv("CIVICML_COURSE", str(world / "course"))
    return open_cohort(world / "cohort")


@pytest.fixture
def report(cohort):
    return week_report(cohort, cohort.course.week("week01"))


def words(page: str) -> str:
    main = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", main)))


def test_questions_have_the_figures_of_the_gradebook(report):
    add, largest, memo = report.questions
    assert (add.title, largest.title) == ("1. Add up", "2. The largest")
    assert add.facility == pytest.approx(8 / 12)
    assert (add.full, add.none) == (pytest.approx(8 / 12), pytest.approx(4 / 12))
    # FIRST_ONLY passes the visible test, for 2 of 4 points.
    assert largest.facility == pytest.approx((6 * 4 + 6 * 2) / 48)
    assert largest.none == 0
    assert memo.advice == "8 not marked yet."
    assert (memo.most, memo.marked) == (2, 4)  # prose that was left blank is 0 at once, the rest waits


def test_discrimination_is_the_correlation_with_all_other_questions(report):
    add = np.array([4.0] * 8 + [0] * 4)
    others = np.array([4.0] * 6 + [2] * 6)
    assert report.questions[0].discrimination == pytest.approx(np.corrcoef(add, others)[0, 1])


def test_discrimination_needs_learners_and_differences():
    few = pd.Series(np.arange(FEWEST - 1, dtype=float))
    assert discrimination_of(few, few) is None
    many = pd.Series(np.arange(FEWEST, dtype=float))
    assert discrimination_of(many, many) == pytest.approx(1)
    assert discrimination_of(many, -many) == pytest.approx(-1)
    assert discrimination_of(many * 0, many) is None
    assert discrimination_of(many, many * 0) is None


def test_the_test_that_took_most_points_comes_first_with_what_it_said(report):
    assert [(test.name, test.learners) for test in report.tests] == [("q2_hidden", 6), ("q1_test", 4)]
    assert "comes twice" in report.tests[0].message
    assert report.tests[1].times == 3  # the fourth met a NameError
    assert "you returned …" in report.tests[1].message


def test_a_copied_memo_is_found_and_short_answers_are_not(report):
    assert [{pair.one, pair.other} for pair in report.pairs] == [{"half1", "half2"}]
    assert report.pairs[0].parts == ("q3.md",)


def test_the_page_says_it_in_words_and_pictures(report):
    html = report_page(report)
    page = words(html)
    assert "12 of 13 learners have handed in, 2 of them late. 12 are graded" in page
    assert "8 still wait for a person's marks" in page
    assert "Lowest discrimination:" in page
    assert "2 late" in page
    assert "Half1 X & <Y> and Half2 X & <Y>" in page
    assert html.count('<img src="data:image/svg+xml') == 3
    for alt in re.findall(r'alt="([^"]*)"', html):
        assert len(alt) > 80
        assert re.search(r"\d", alt)
    assert "<Y>" not in html
    assert "<script" not in html


def test_it_is_written_as_it_is_typed(cohort, tmp_path, monkeypatch, capsys):
    from civicml.cli import main

    page = tmp_path / "new" / "week.html"
    monkeypatch.setattr(
        "sys.argv", ["civicml", "report", "week01", "--to", str(page), "--cohort", str(cohort.root)]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    said = capsys.readouterr().out
    assert "12 graded, median mark" in said
    assert "Pairs of submissions that look alike: 1." in said
    assert page.stat().st_mode & 0o777 == 0o600
    assert page.read_text().startswith("<!doctype html>")


def test_before_anything_is_graded_one_sentence_says_so(cohort, tmp_path, tiny):
    shutil.copytree(cohort.root, tmp_path / "fresh", symlinks=True)
    fresh = open_cohort(tmp_path / "fresh")
    shutil.rmtree(fresh.root / "grading")
    with pytest.raises(CivicmlError, match="Nothing of week01 is graded yet: 'civicml grade week01' first"):
        week_report(fresh, fresh.course.week("week01"))
    shutil.rmtree(fresh.root / "source")
    with pytest.raises(CivicmlError, match="has not been released"):
        week_report(fresh, fresh.course.week("week01"))

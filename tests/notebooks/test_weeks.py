"""Every written week keeps the standard, and its answer bank holds."""

import os
from pathlib import Path

import pytest

from civicml.autograder.proof import prove
from civicml.course import Week, load_course
from civicml.rehearsal import rehearse, scratch_cohort
from civicml.standard import check_week

from .conftest import shared_state

COURSE = load_course(Path(__file__).parents[2])
every_week = pytest.mark.parametrize("week", COURSE.written_weeks, ids=lambda week: week.name)


@every_week
def test_the_week_is_as_the_standard_says(week: Week):
    assert list(map(str, check_week(COURSE, week))) == []


@every_week
def test_right_answers_earn_full_marks_and_wrong_ones_lose_what_they_should(week: Week, request, monkeypatch):
    monkeypatch.setenv("CIVICML_CACHE", str(shared_state(request.config, week) / "cache"))
    # As many processes as cores, under xdist too: this is the longest test, and the last to end.
    with scratch_cohort(COURSE) as cohort, rehearse(cohort, week, os.cpu_count() or 1) as rehearsal:
        proof = prove(COURSE, week, rehearsal.grade)
    assert proof.problems == []

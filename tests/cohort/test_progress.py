"""What a learner is told of the own weeks."""

from datetime import timedelta

import pytest

from civicml.cohort import extend, init, progress
from civicml.errors import CivicmlError


def test_before_anything_is_handed_in_it_says_what_is_due_when(cohort, tiny):
    found = progress(cohort, "ann", now=tiny.IN_TIME)
    [week] = found.weeks  # the second week is not written, so it is not offered
    assert (week.week.name, week.state, week.deadline) == ("week01", "not submitted", tiny.DUE)
    assert found.next == "week01 is due Wednesday 21 January, 17:00: 'civicml submit week01'."


def test_after_the_deadline_it_says_that_late_work_counts(cohort, tiny):
    assert (
        "Work that comes late still counts" in progress(cohort, "ann", now=tiny.DUE + timedelta(days=1)).next
    )


def test_an_extension_is_the_learners_own(cohort, week, tiny):
    extend(cohort, week, "ann", tiny.DUE + timedelta(days=1))
    assert progress(cohort, "ann").weeks[0].deadline == tiny.DUE + timedelta(days=1)
    assert progress(cohort, "bo").weeks[0].deadline == tiny.DUE


def test_once_it_is_handed_in_nothing_is_asked_for(cohort, hand_in, tiny):
    hand_in("ann")
    found = progress(cohort, "ann", now=tiny.IN_TIME)
    assert (found.weeks[0].state, found.weeks[0].submitted, found.weeks[0].late) == (
        "submitted",
        tiny.IN_TIME,
        False,
    )
    assert found.next == "Everything is handed in; week01 is being marked."


def test_a_week_that_is_not_released_is_shown_as_such(course, tmp_path, tiny):
    cohort = init(tmp_path / "cohort", start=tiny.START, learners=tiny.LEARNERS)
    found = progress(cohort, "ann")
    assert found.weeks[0].state == "not released"
    assert found.next == "Nothing has been released yet."


def test_somebody_unknown_is_one_sentence(cohort):
    with pytest.raises(CivicmlError, match="'zed' is not enrolled"):
        progress(cohort, "zed")

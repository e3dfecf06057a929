"""Handing work in: what is taken, what is refused, and the receipt."""

import hashlib
import json
import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from civicml.cohort import extend, submit
from civicml.cohort.exchange import handed_in
from civicml.errors import CivicmlError


@pytest.fixture
def refused(cohort, week, tiny):
    """Tries to hand in, and makes sure that a refusal says so and hands nothing in."""

    def attempt(source, said: str, learner: str = "ann"):
        with pytest.raises(CivicmlError, match=said) as error:
            submit(cohort, week, learner, source, now=tiny.IN_TIME)
        assert "\n" not in str(error.value)
        assert handed_in(cohort, "week01") == {}

    return attempt


def test_the_receipt_proves_what_was_handed_in(cohort, week, work, tiny):
    notebook = work("ann", **tiny.RIGHT)
    receipt = submit(cohort, week, "ann", notebook, now=tiny.IN_TIME)

    assert receipt.sha256 == hashlib.sha256(notebook.read_bytes()).hexdigest()
    assert receipt.submitted == tiny.IN_TIME
    assert receipt.deadline == tiny.DUE
    assert (receipt.late, receipt.percent_off, receipt.earlier, receipt.unanswered) == (False, 0, 0, ())
    [(moment, place)] = handed_in(cohort, "week01")["ann"]
    assert moment == tiny.IN_TIME
    assert (place / "lab.ipynb").read_bytes() == notebook.read_bytes()


def test_the_learners_id_names_the_submission_whoever_is_logged_in(cohort, hand_in):
    hand_in("ann")
    hand_in("bo")
    assert set(handed_in(cohort, "week01")) == {"ann", "bo"}


def test_only_the_notebook_is_handed_in(cohort, week, work, tiny):
    notebook = work("ann")
    (notebook.parent / "numpy.py").write_text("raise SystemExit")
    (notebook.parent / "data.csv").write_text("1")
    submit(cohort, week, "ann", notebook, now=tiny.IN_TIME)
    [(_, place)] = handed_in(cohort, "week01")["ann"]
    assert {path.name for path in place.iterdir()} == {"lab.ipynb", "timestamp.txt", "submission_secret.txt"}


def test_handing_in_again_keeps_what_was_handed_in_before(cohort, hand_in, tiny):
    hand_in("ann", q1="first")
    receipt = hand_in("ann", now=tiny.IN_TIME + timedelta(hours=1), q1="second")
    assert receipt.earlier == 1
    texts = [(place / "lab.ipynb").read_text() for _, place in handed_in(cohort, "week01")["ann"]]
    assert ["first" in text for text in texts] == [True, False]


def test_the_receipt_tells_what_was_not_answered(hand_in):
    assert hand_in("ann", q1="def total(values):\n    return 0").unanswered == ("q2", "q3")


@pytest.mark.parametrize(
    ("after", "late", "percent"),
    [
        (timedelta(seconds=-1), False, 0),
        (timedelta(minutes=15), True, 0),
        (timedelta(minutes=16), True, 10),
        (timedelta(days=1, minutes=1), True, 20),
        (timedelta(days=40), True, 50),
    ],
)
def test_the_receipt_tells_what_being_late_costs(hand_in, tiny, after, late, percent):
    receipt = hand_in("ann", now=tiny.DUE + after)
    assert (receipt.late, receipt.percent_off) == (late, percent)


def test_an_extension_moves_the_deadline_on_the_receipt(cohort, week, hand_in, tiny):
    extend(cohort, week, "ann", tiny.DUE + timedelta(days=2))
    after = tiny.DUE + timedelta(hours=23)
    assert not hand_in("ann", now=after).late
    assert hand_in("bo", now=after).percent_off == 10


@pytest.mark.parametrize("where", ["the notebook", "its directory", "the directory above"])
def test_the_lab_is_found_from_where_a_learner_may_stand(cohort, week, work, tiny, where):
    notebook = work("ann")
    source = {"the notebook": 0, "its directory": 1, "the directory above": 2}[where]
    place = (notebook, notebook.parent, notebook.parent.parent)[source]
    assert submit(cohort, week, "ann", place, now=tiny.IN_TIME).notebook == notebook


def test_in_a_kit_the_lab_is_found_in_its_modules(cohort, week, work, tmp_path, tiny):
    kit = tmp_path / "kit"
    (kit / "modules").mkdir(parents=True)
    shutil.copytree(work("ann").parent, kit / "modules" / "week01_tiny")
    with pytest.raises(CivicmlError, match=r"no week01/lab\.ipynb"):
        submit(cohort, week, "ann", kit, now=tiny.IN_TIME)
    (kit / "kit.toml").touch()
    assert submit(cohort, week, "ann", kit, now=tiny.IN_TIME).sha256


# --- refusals -------------------------------------------------------------------------------------


def test_a_missing_notebook_is_refused(refused, tmp_path):
    refused(tmp_path, r"no week01/lab\.ipynb in .*civicml fetch week01")
    refused(tmp_path / "nowhere", "There is no")


def test_a_notebook_of_another_name_is_refused(refused, work):
    other = work("ann").with_name("lab-final-2.ipynb")
    shutil.copy(other.with_name("lab.ipynb"), other)
    refused(other, r"not called lab\.ipynb")


@pytest.mark.parametrize(
    "content", [b"", b"not json", b"[1, 2]", b"{}", b'"lab"', b"\xff\xfe\x00", b'{"cells": 3}']
)
def test_what_is_not_a_notebook_is_refused(refused, work, content):
    notebook = work("ann")
    notebook.write_bytes(content)
    refused(notebook, "not a notebook that Jupyter can read")


def test_another_labs_notebook_is_refused(refused, work):
    notebook = work("ann")
    content = json.loads(notebook.read_text())
    for cell in content["cells"]:
        cell["metadata"].pop("nbgrader", None)
    notebook.write_text(json.dumps(content))
    refused(notebook, "not the lab of week01")


def test_the_instructors_version_is_refused(refused, cohort, week):
    refused(cohort.course.folder(week), "instructor's version")


def test_a_link_to_a_peers_work_is_refused(refused, work):
    peer, own = work("bo"), work("ann")
    own.unlink()
    own.symlink_to(peer)
    refused(own, "link to another file")
    refused(own.parent, "link to another file")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_refused_and_not_waited_for(refused, work):
    own = work("ann")
    own.unlink()
    os.mkfifo(own)
    refused(own.parent, "not a regular file")


def test_a_notebook_of_more_than_20_mb_is_refused(refused, work):
    notebook = work("ann")
    with notebook.open("a") as file:
        file.write(" " * (20 << 20))
    refused(notebook, "more than 20 MB. Clear the outputs")


def test_somebody_who_is_not_enrolled_is_told_how_to_be_named(refused, work):
    refused(work("ann"), "'zed' is not enrolled .* --learner", learner="zed")
    refused(work("ann"), "cannot be a learner's id", learner="../ann")


def test_a_week_that_was_not_released_takes_no_work(cohort, week, work, tiny):
    notebook = work("ann")
    shutil.rmtree(cohort.exchange / "outbound" / "week01")
    with pytest.raises(CivicmlError, match="has not been released"):
        submit(cohort, week, "ann", notebook, now=tiny.IN_TIME)


def test_a_disk_that_fills_up_leaves_nothing_half_handed_in(cohort, week, work, tiny, monkeypatch):
    from civicml.cohort.exchange import Submit

    def full(self, src, dest, log=None):
        Path(dest).mkdir(parents=True)
        raise OSError(28, "No space left on device", dest)

    notebook = work("ann")
    monkeypatch.setattr(Submit, "do_copy", full)
    with pytest.raises(CivicmlError, match="disk is full"):
        submit(cohort, week, "ann", notebook, now=tiny.IN_TIME)
    assert list((cohort.exchange / "inbound").iterdir()) == []

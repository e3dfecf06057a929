"""The commands: the whole loop as it is typed, and one sentence for what goes wrong."""

import sys

import pytest
from typer.testing import CliRunner

from civicml.cli import app, main
from civicml.errors import CivicmlError


@pytest.fixture
def say(monkeypatch):
    """Types a command and gives back what it prints, in one line; it must succeed."""
    monkeypatch.setenv("COLUMNS", "200")

    def typed(*words: object) -> str:
        done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return " ".join(done.output.split())

    return typed


def test_the_loop_as_it_is_typed(course, tmp_path, tiny, say, monkeypatch):
    monkeypatch.chdir(course)
    (tmp_path / "list.csv").write_text("id,first_name\nann,Ann\n")
    assert "'Spring' begins on Monday 12 January 2026, with 1 learners" in say(
        "cohort", "init", "--start", "2026-01-12", "--name", "Spring", "--learners", tmp_path / "list.csv"
    )
    assert "Enrolled 1 of 2" in say("cohort", "add", "ann", "Bo")
    assert "week01 is released: 3 questions, 10 points, due Wed 21 Jan 2026, 17:00." in say(
        "release", "week01"
    )
    assert "bo" in say("cohort", "show")

    monkeypatch.setenv("CIVICML_LEARNER", "ann")
    desk = tmp_path / "desk"
    assert "Your lab is here" in say("fetch", "week01", "--to", desk)
    tiny.change(
        desk / "week01" / "lab.ipynb", lambda nb: tiny.fill(nb, {"q1": "def total(values):\n    return 3"})
    )
    monkeypatch.chdir(desk)
    monkeypatch.setenv("CIVICML_COHORT", str(course / "cohort"))
    checked = say("check")
    assert "not answered" in checked
    assert "hidden tests run as well" in checked
    receipt = say("submit", "week01")
    assert "Handed in: week01 by ann" in receipt
    assert "late: 50% of the points are taken off" in receipt
    assert "Not answered yet: q2, q3" in receipt
    assert "submitted" in say("progress")

    monkeypatch.delenv("CIVICML_LEARNER")
    assert "bo has until Sun 01 Feb 2026, 17:00 for week01." in say(
        "extend", "week01", "bo", "--until", "2026-02-01T17:00"
    )
    assert "Graded now: 1. Graded before: 0. Not handed in: 1." in say("grade", "1")
    assert "ann not" not in say("gradebook", "--csv", tmp_path / "marks.csv")
    assert (tmp_path / "marks.csv").read_text().startswith("learner,")
    assert "Given back: 1." in say("return", "week01")
    assert "Ann" in say("progress")

    got = say("feedback", "week01", "--learner", "ann")
    assert "Your feedback:" in got
    assert list((desk / "week01" / "feedback").rglob("lab.html"))
    assert "returned" in say("progress", "--learner", "ann")


@pytest.mark.parametrize(
    "words",
    [
        ["grade", "week01"],
        ["release", "week02"],
        ["release", "week77"],
        ["submit", "week01", "--learner", "zed"],
        ["submit", "week01", "--learner", "a+b"],
        ["progress", "--learner", "zed"],
        ["feedback", "week01", "--learner", "ann"],
        ["return", "week01", "--learner", "zed"],
        ["extend", "week01", "zed", "--until", "2027-01-01T10:00"],
        ["cohort", "add"],
        ["cohort", "add", "--file", "none.csv"],
        ["cohort", "init"],
        ["check", "nowhere.ipynb"],
        ["fetch", "week02"],
    ],
)
def test_what_cannot_be_done_is_one_sentence(cohort, tmp_path, monkeypatch, words):
    monkeypatch.setenv("CIVICML_COHORT", str(cohort.root))
    if words == ["grade", "week01"]:
        monkeypatch.setenv("CIVICML_COHORT", str(tmp_path / "nowhere"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CivicmlError) as error:
        CliRunner().invoke(app, words, catch_exceptions=False)
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")


def test_in_the_wrong_directory_the_command_says_so_and_fails(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["civicml", "grade", "week01"])
    with pytest.raises(SystemExit) as stopped:
        main()
    printed = capsys.readouterr()
    assert (stopped.value.code, printed.out) == (1, "")
    [line] = printed.err.splitlines()
    assert line.startswith("civicml: There is no cohort at")

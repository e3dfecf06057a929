"""A department decides, on the record: what is refused, what moves, and what survives a killed process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from civicml.errors import CivicmlError
from civicml.learner import ENVIRONMENT_VARIABLE
from civicml.review import record
from civicml.review.decisions import Decider, Reasons, decide, go_on, roll_back, told
from civicml.review.keeping import attach, consists_of, record_path
from civicml.review.sent_back import fetch_findings
from civicml.review.story import story

from .conftest import GAP, LATE, LEAK, MODEL, TYPO, Desk  # isort: skip

DEE = Decider("Dr Dee Dobson", "Head of Primary Care Access")
WHY = Reasons("It finds twice as many as the rule does.")


def answered(**changed: str) -> str:
    return "".join(
        f'[[answer]]\nfinding = "{code.replace("__", ":")}"\nchanged = "{text}"\n'
        for code, text in changed.items()
    )


ANSWERS = answered(
    leak__duration_minutes="The column was taken out and it was trained again.",
    gap__sex="The threshold is now set for each sex, see section 4.",
)


# --- a decision -----------------------------------------------------------------------------------


def test_an_accepted_version_is_in_use_and_the_registry_tells_why(cohort: Path, desk: Desk, reviewed) -> None:
    version = reviewed(TYPO)

    entry = decide(
        cohort, MODEL, version, "accept", DEE, Reasons(WHY.because, ("Eve, analyst: the trial is *short*.",))
    )

    assert desk.aliases() == {"accepted": version}
    tags = desk.version(version).tags
    assert tags["civicml.state"] == "accepted, in use"
    assert tags["civicml.findings"] == "1 minor finding"
    assert tags["civicml.because"] == WHY.because
    assert tags["civicml.decided"].endswith("by Dr Dee Dobson, Head of Primary Care Access")
    assert tags["civicml.record"] == f"line {entry.number}, sha256 {entry.hash}"
    description = desk.version(version).description
    assert "reviewed (round 1): 1 minor finding" in description
    assert f"accepted by Dr Dee Dobson, Head of Primary Care Access. Because: {WHY.because}" in description
    assert r"Dissent: Eve, analyst: the trial is \*short\*." in description
    assert (
        desk.client()
        .get_registered_model(MODEL)
        .tags["civicml.in_use"]
        .startswith(f"version {version}, since")
    )
    assert "Accepted" in desk.artefact(version, "review/round-1/review.html")
    kept = entry.facts
    assert (kept["by"], kept["role"]) == (DEE.by, DEE.role)
    assert kept["sha256"] == told(cohort)[0].facts["sha256"], "the evidence that it stands on"


def test_what_the_author_wrote_in_the_description_stays(cohort: Path, desk: Desk, reviewed) -> None:
    version = desk.hand_in()
    desk.client().update_model_version(MODEL, version, "Gradient boosting on **twelve** columns.")
    attach(cohort, desk.review(version))
    decide(cohort, MODEL, version, "accept", DEE, WHY)

    description = desk.version(version).description
    assert description.startswith("Gradient boosting on **twelve** columns.\n\n## The department's record")
    assert description.count("The department's record") == 1


def test_a_returned_version_goes_back_with_its_findings_and_a_file_for_the_answers(
    cohort: Path, desk: Desk, reviewed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = reviewed(LEAK, GAP)
    decide(
        cohort,
        MODEL,
        version,
        "return",
        DEE,
        Reasons("It knows the outcome.", asks=("Who phones on a Monday?",)),
    )
    assert desk.aliases() == {"returned": version}

    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "ana")
    (tmp_path / "dossier").mkdir()
    back = fetch_findings(MODEL, tmp_path / "dossier")

    for said in (LEAK.code, LEAK.do, "It knows the outcome.", "Who phones on a Monday?", "Dr Dee Dobson"):
        assert said in back.letter.replace("\\", "")
    text = back.answers.read_text()
    assert 'finding = "leak:duration_minutes"' in text
    assert 'finding = "reviewer:1"' in text
    back.answers.write_text("mine")
    assert not fetch_findings(MODEL, tmp_path / "dossier").new
    assert back.answers.read_text() == "mine"


def test_a_rejected_version_is_no_candidate_any_more(cohort: Path, desk: Desk, reviewed) -> None:
    version = reviewed(LEAK)
    decide(cohort, MODEL, version, "reject", DEE, Reasons("The question is not one for a model."))

    assert desk.aliases() == {}
    assert desk.version(version).tags["civicml.state"] == "rejected"


# --- what is refused ------------------------------------------------------------------------------


def refused(cohort: Path, desk: Desk, says: str, *arguments) -> None:
    """Deciding so is refused with a sentence, and neither record nor registry has changed."""
    before = (record_path(cohort).read_bytes() if record_path(cohort).exists() else b"", desk.aliases())
    with pytest.raises(CivicmlError, match=says):
        decide(cohort, MODEL, *arguments)
    after = (record_path(cohort).read_bytes() if record_path(cohort).exists() else b"", desk.aliases())
    assert after == before


def test_without_a_review_of_this_very_version_nothing_is_decided(cohort: Path, desk: Desk, reviewed) -> None:
    first = reviewed()
    second = desk.hand_in()
    refused(
        cohort,
        desk,
        f"no review of version {second}.*civicml review {MODEL} {second}",
        second,
        "accept",
        DEE,
        WHY,
    )
    refused(cohort, desk, "has no version '9'.*it has 1, 2", "9", "accept", DEE, WHY)
    decide(cohort, MODEL, first, "accept", DEE, WHY)
    refused(cohort, desk, "was accepted on .* already", first, "accept", DEE, WHY)


def test_what_was_open_when_a_version_was_accepted_is_told_with_it(
    cohort: Path, desk: Desk, reviewed
) -> None:
    version = reviewed(GAP, TYPO)
    decide(cohort, MODEL, version, "accept", DEE, WHY)
    assert "Access, with 1 major finding open. Because:" in desk.version(version).description


@pytest.mark.parametrize("what", ["file", "metric", "source"])
def test_a_run_that_changed_after_its_review_takes_a_new_one(
    cohort: Path, desk: Desk, reviewed, what: str
) -> None:
    version = reviewed()
    run_id = desk.version(version).run_id
    client = desk.client()
    if what == "file":
        client.log_text(run_id, "another model", "model/MLmodel")
    elif what == "metric":
        client.log_metric(run_id, "recall_at_capacity", 0.99)
    else:
        client.log_text(run_id, "def train(): cheat()", "source/train.py")

    refused(cohort, desk, "was changed after it was reviewed", version, "accept", DEE, WHY)
    attach(cohort, desk.review(version))
    decide(cohort, MODEL, version, "accept", DEE, WHY)
    assert desk.aliases() == {"accepted": version}


def test_a_version_that_changes_during_its_review_keeps_no_review(cohort: Path, desk: Desk) -> None:
    version = desk.hand_in()
    before = consists_of(cohort, MODEL, version)
    desk.client().log_text(desk.version(version).run_id, "another model", "model/MLmodel")

    with pytest.raises(CivicmlError, match="changed while it was reviewed"):
        attach(cohort, desk.review(version), reviewed=before)
    assert told(cohort) == ()
    attach(cohort, desk.review(version), reviewed=consists_of(cohort, MODEL, version))


def test_a_review_that_somebody_edited_is_no_evidence(cohort: Path, desk: Desk, reviewed) -> None:
    version = reviewed(LEAK)
    [file] = (cohort / "reviews" / MODEL).glob("review-*.json")
    file.write_text(file.read_text().replace("critical", "minor"))

    refused(cohort, desk, "is not the review that was recorded", version, "accept", DEE, WHY)


def test_a_review_among_the_runs_artefacts_counts_for_nothing(cohort: Path, desk: Desk, reviewed) -> None:
    version = reviewed(LEAK)
    clean = desk.review(version).to_json()
    desk.client().log_text(desk.version(version).run_id, clean, "review/round-1/review.json")

    refused(cohort, desk, "critical: leak:duration_minutes", version, "accept", DEE, WHY)


@pytest.mark.parametrize(
    ("findings", "facts", "says"),
    [
        ((LEAK, GAP), {}, "critical: leak:duration_minutes"),
        ((LATE,), {}, "critical: stale-data"),
        ((), {"not_done": "reproduces"}, "not done: Reproduction"),
    ],
)
def test_what_is_critical_or_not_done_is_accepted_only_for_a_reason_on_the_record(
    cohort: Path, desk: Desk, reviewed, findings, facts, says: str
) -> None:
    version = reviewed(*findings, **facts)
    refused(cohort, desk, says, version, "accept", DEE, WHY)

    decide(
        cohort,
        MODEL,
        version,
        "accept",
        DEE,
        Reasons(WHY.because, despite="The board took the risk on 3 May."),
    )

    assert told(cohort)[-2].facts["despite"] == "The board took the risk on 3 May."
    assert "In spite of what is open: The board took the risk on 3 May." in desk.version(version).description


def test_a_model_that_was_not_opened_is_never_accepted(cohort: Path, desk: Desk, reviewed) -> None:
    version = reviewed(LEAK, refused="It is a pickle, which runs code when it is opened.")
    reasons = Reasons(WHY.because, despite="We trust the author of this.")
    refused(cohort, desk, "could not be opened", version, "accept", DEE, reasons)
    decide(cohort, MODEL, version, "return", DEE, WHY)


@pytest.mark.parametrize(
    ("verdict", "decider", "reasons", "says"),
    [
        ("accept", Decider(" ", "Head"), WHY, "--by must be a name"),
        ("accept", Decider("Dee", ""), WHY, "--role must be"),
        ("accept", Decider("Dee\x1b[31m", "Head"), WHY, "--by must be a name"),
        ("accept", DEE, Reasons("ok"), "--because must be a sentence"),
        ("accept", DEE, Reasons("It is fine by\u202eme now"), "--because must be readable"),
        ("accept", DEE, Reasons("word " * 1000), "--because must be readable"),
        ("accept", DEE, Reasons(WHY.because, ("no",)), "--dissent must be a sentence"),
        ("accept", DEE, Reasons(WHY.because, asks=("Who phones them then?",)), "--ask is for"),
        ("accept", DEE, Reasons(WHY.because, despite="The board took it."), "Nothing critical is open"),
        ("return", DEE, WHY, "no finding to return it with"),
        ("reject", DEE, Reasons(WHY.because, despite="The board took it."), "--despite is for accepting"),
    ],
)
def test_a_decision_that_its_reader_could_not_follow_is_refused(
    cohort: Path, desk: Desk, reviewed, verdict: str, decider: Decider, reasons: Reasons, says: str
) -> None:
    refused(cohort, desk, says, reviewed(), verdict, decider, reasons)


# --- conflicts of interest ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "says"),
    [
        ("ana", "is the author"),
        ("Ana  ARCHER", "is the author"),
        ("ana@example.org", "is the author"),
        ("Ben Baker", "is in the team 'access' of the author"),
        ("ben", "is in the team"),
    ],
)
def test_the_author_and_the_authors_team_decide_nothing(
    cohort: Path, desk: Desk, reviewed, by: str, says: str
) -> None:
    refused(cohort, desk, says, reviewed(), "accept", Decider(by, "Head of Access"), WHY)


def test_a_learner_of_another_team_may_decide(cohort: Path, desk: Desk, reviewed) -> None:
    version = reviewed()
    decide(cohort, MODEL, version, "accept", Decider("Cy Carter", "Estates"), WHY)
    assert desk.aliases() == {"accepted": version}


def test_a_reviewers_team_may_be_in_a_list_of_reviewers(cohort: Path, desk: Desk, reviewed) -> None:
    (cohort / "reviewers.csv").write_text("id,first_name,last_name,team\ndee,Dr Dee,Dobson,ACCESS\n")
    refused(cohort, desk, "in the team 'ACCESS'", reviewed(), "accept", DEE, WHY)


def test_a_forged_tag_hides_no_author(cohort: Path, desk: Desk, reviewed) -> None:
    version = desk.hand_in()
    desk.client().set_tag(desk.version(version).run_id, "civicml.learner", "cy")
    attach(cohort, desk.review(version))
    refused(cohort, desk, "'ana' is the author", version, "accept", Decider("ana", "Analyst"), WHY)


@pytest.mark.parametrize("account", [ENVIRONMENT_VARIABLE, "MLFLOW_TRACKING_USERNAME"])
def test_the_authors_session_decides_under_no_name(
    cohort: Path, desk: Desk, reviewed, monkeypatch: pytest.MonkeyPatch, account: str
) -> None:
    version = reviewed()
    monkeypatch.setenv(account, "ana")
    refused(cohort, desk, "'ana' is the author", version, "accept", DEE, WHY)


# --- rounds ---------------------------------------------------------------------------------------


def test_the_next_version_must_answer_each_finding(cohort: Path, desk: Desk, reviewed) -> None:
    first = reviewed(LEAK, GAP, LATE)
    decide(cohort, MODEL, first, "return", DEE, WHY)

    second = reviewed(answers=answered(leak__duration_minutes="The column was taken out of it."))
    refused(cohort, desk, r"1 of the findings .* have no answer.*: gap:sex", second, "accept", DEE, WHY)
    page = desk.artefact(second, "review/round-2/review.html")
    assert "unanswered:gap:sex" in page
    assert "Answered, and not found any more" in page
    decide(cohort, MODEL, second, "return", DEE, WHY)

    third = reviewed(answers=answered(gap__sex="Not even now, for the reason in section 4."))
    refused(cohort, desk, "unanswered:gap:sex", third, "accept", DEE, WHY)
    decide(cohort, MODEL, third, "return", DEE, WHY)

    fourth = reviewed(answers=answered(**{"unanswered__gap__sex": "The threshold is now set for each sex."}))
    decide(cohort, MODEL, fourth, "accept", DEE, WHY)
    assert desk.aliases() == {"accepted": fourth}
    assert desk.version(fourth).tags["civicml.round"] == "4"


@pytest.mark.parametrize("text", ["answer = 3", "[[answer]]\nfinding = 1\nchanged = ''", "\x00", "[" * 5000])
def test_answers_that_cannot_be_read_are_a_finding_and_no_answers(
    cohort: Path, desk: Desk, reviewed, text: str
) -> None:
    decide(cohort, MODEL, reviewed(GAP), "return", DEE, WHY)
    second = reviewed(answers=text)
    assert "answers.toml" in desk.artefact(second, "review/round-2/review.json")
    refused(cohort, desk, "gap:sex", second, "accept", DEE, WHY)


def test_the_departments_own_findings_are_not_the_learners_to_answer(
    cohort: Path, desk: Desk, reviewed
) -> None:
    decide(cohort, MODEL, reviewed(LATE), "return", DEE, WHY)
    second = reviewed()
    decide(cohort, MODEL, second, "accept", DEE, WHY)
    assert desk.aliases() == {"accepted": second}


# --- going back -----------------------------------------------------------------------------------


def test_rolling_back_puts_the_version_before_in_its_place_once_for_each_step(
    cohort: Path, desk: Desk, reviewed
) -> None:
    versions = []
    for _ in range(3):
        versions.append(reviewed())
        decide(cohort, MODEL, versions[-1], "accept", DEE, WHY)
    assert desk.aliases() == {"accepted": "3"}

    roll_back(cohort, MODEL, DEE, Reasons("The lists were empty on Monday."))
    assert desk.aliases() == {"accepted": "2"}
    assert desk.version("3").tags["civicml.state"] == "taken out of use"
    assert desk.version("2").tags["civicml.state"] == "accepted, in use"
    assert "in use again, rolled back from version 3 to 2" in desk.version("2").description
    roll_back(cohort, MODEL, DEE, Reasons("The lists were empty on Tuesday."))
    assert desk.aliases() == {"accepted": "1"}

    with pytest.raises(CivicmlError, match=r"the only one that was accepted. --withdraw"):
        roll_back(cohort, MODEL, DEE, Reasons("The lists were empty again."))
    roll_back(cohort, MODEL, DEE, Reasons("The lists were empty again."), withdraw=True)
    assert desk.aliases() == {}
    with pytest.raises(CivicmlError, match=r"No version .* is in use"):
        roll_back(cohort, MODEL, DEE, Reasons("The lists were empty again."))


def test_an_author_may_stop_the_own_model_and_not_bring_it_back(cohort: Path, desk: Desk, reviewed) -> None:
    for learner in ("ana", "cy"):
        decide(cohort, MODEL, reviewed(learner=learner), "accept", DEE, WHY)
    ana, cy = Decider("ana", "Analyst on duty"), Decider("cy", "Analyst on duty")

    with pytest.raises(CivicmlError, match="'ana' is the author of version 1, which would come back"):
        roll_back(cohort, MODEL, ana, Reasons("The lists were empty."))
    roll_back(cohort, MODEL, cy, Reasons("The lists were empty."))
    assert desk.aliases() == {"accepted": "1"}


def test_a_version_that_was_changed_since_it_was_accepted_does_not_come_back(
    cohort: Path, desk: Desk, reviewed
) -> None:
    for _ in range(2):
        decide(cohort, MODEL, reviewed(), "accept", DEE, WHY)
    desk.client().log_text(desk.version("1").run_id, "another model", "model/MLmodel")

    with pytest.raises(CivicmlError, match=r"Version 1 .* is not what was accepted"):
        roll_back(cohort, MODEL, DEE, Reasons("The lists were empty."))
    assert desk.aliases() == {"accepted": "2"}


def test_the_version_in_use_is_taken_out_of_use_before_it_is_sent_back(
    cohort: Path, desk: Desk, reviewed
) -> None:
    version = reviewed()
    decide(cohort, MODEL, version, "accept", DEE, WHY)
    attach(cohort, desk.review(version, GAP))

    refused(cohort, desk, "is in use. Take it out of use first", version, "return", DEE, WHY)
    roll_back(cohort, MODEL, DEE, WHY, withdraw=True)
    decide(cohort, MODEL, version, "return", DEE, WHY)
    assert desk.aliases() == {"returned": version}


# --- record and registry --------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from civicml.review import registry
from civicml.review.decisions import Decider, Reasons, decide

def die(*arguments, **named):
    os.kill(os.getpid(), signal.SIGKILL)

{patch}
reasons = Reasons("It is the better one.")
decide(Path(sys.argv[1]), {model!r}, "2", "accept", Decider("Dr Dee", "Head"), reasons)
"""


@pytest.mark.parametrize(
    "patch",
    [
        "import civicml.review.decisions as d; d.publish = die",
        "registry.put_beside = die",
        "registry.show = die",
        "from mlflow import MlflowClient; MlflowClient.set_registered_model_alias = die",
        "from mlflow import MlflowClient; MlflowClient.delete_registered_model_alias = die",
        "from civicml.review.record import Record; keep = Record.append\n"
        "Record.append = lambda self, kind, *rest: die() if kind == 'shown' else keep(self, kind, *rest)",
    ],
    ids=[
        "after the record",
        "before the files",
        "before the tags",
        "before an alias",
        "between",
        "at the end",
    ],
)
def test_a_decision_whose_process_is_killed_is_carried_out_by_the_next_command(
    cohort: Path, desk: Desk, reviewed, patch: str
) -> None:
    decide(cohort, MODEL, reviewed(GAP), "return", DEE, WHY)
    reviewed(answers=ANSWERS)
    assert desk.aliases() == {"returned": "1", "candidate": "2"}

    script = KILLED.format(patch=patch, model=MODEL)
    done = subprocess.run(
        [sys.executable, "-c", script, str(cohort)],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [entry.kind for entry in told(cohort) if entry.kind != "shown"][-1] == "accept", (
        "it is on the record"
    )

    go_on(cohort, MODEL)

    assert desk.aliases() == {"accepted": "2"}
    assert desk.version("2").tags["civicml.state"] == "accepted, in use"
    assert "It is the better one." in desk.artefact("2", "review/round-2/decision.md")
    assert "Accepted" in desk.artefact("2", "review/round-2/review.html")
    entries = told(cohort)
    assert [entry.kind for entry in entries].count("accept") == 1
    assert story(MODEL, entries).not_shown == ()
    before = record_path(cohort).read_bytes()
    go_on(cohort, MODEL)
    assert record_path(cohort).read_bytes() == before, "going on with nothing to do changes nothing"


def test_an_alias_that_was_moved_without_a_record_is_put_back_and_that_is_recorded(
    cohort: Path, desk: Desk, reviewed
) -> None:
    decide(cohort, MODEL, reviewed(), "accept", DEE, WHY)
    reviewed(LEAK)
    desk.client().set_registered_model_alias(MODEL, "accepted", "2")
    desk.client().set_registered_model_alias(MODEL, "returned", "2")

    decide(cohort, MODEL, "2", "reject", DEE, WHY)

    assert desk.aliases() == {"accepted": "1"}
    corrections = [entry.facts for entry in told(cohort) if entry.kind == "correction"]
    assert [(one["alias"], one["found"], one["right"]) for one in corrections] == [
        ("accepted", "2", "1"),
        ("returned", "2", ""),
    ]


def test_a_record_whose_end_was_cut_off_is_noticed(cohort: Path, desk: Desk, reviewed) -> None:
    version = reviewed()
    decide(cohort, MODEL, version, "accept", DEE, WHY)
    lines = record_path(cohort).read_text().splitlines(keepends=True)
    record_path(cohort).write_text("".join(lines[:2]))

    refused(cohort, desk, "lines were taken off its end", version, "reject", DEE, WHY)


def test_a_record_that_was_tampered_with_stops_every_decision(cohort: Path, desk: Desk, reviewed) -> None:
    version = reviewed()
    record_path(cohort).write_text(record_path(cohort).read_text().replace('"round":1', '"round":2'))
    refused(cohort, desk, "cannot be trusted: line 1", version, "accept", DEE, WHY)


def test_nothing_is_written_through_a_link_that_a_learner_left(
    cohort: Path, desk: Desk, tmp_path: Path
) -> None:
    version = desk.hand_in()
    artefacts = Path(
        desk.client().get_run(desk.version(version).run_id).info.artifact_uri.removeprefix("file://")
    )
    mine = tmp_path / "instructor"
    mine.mkdir()
    (artefacts / "review").symlink_to(mine)

    with pytest.raises(CivicmlError, match="is a link, so nothing is written there"):
        attach(cohort, desk.review(version, LEAK, refused="It is a pickle."))
    assert list(mine.iterdir()) == []

    (artefacts / "review").unlink()
    go_on(cohort, MODEL)
    assert LEAK.code in desk.artefact(version, "review/round-1/review.json")


def test_a_registry_that_fails_after_the_record_says_what_to_do(
    cohort: Path, desk: Desk, reviewed, monkeypatch: pytest.MonkeyPatch
) -> None:
    from civicml.review import registry

    version = reviewed()
    with monkeypatch.context() as patch:
        patch.setattr(registry, "show", lambda *_: (_ for _ in ()).throw(CivicmlError("The server is gone.")))
        with pytest.raises(CivicmlError, match=r"It is recorded.*The server is gone.*--go-on"):
            decide(cohort, MODEL, version, "accept", DEE, WHY)
    go_on(cohort, MODEL)
    assert desk.aliases() == {"accepted": version}


def test_models_do_not_mix_in_one_record(cohort: Path, desk: Desk, reviewed) -> None:
    version = reviewed()
    with record.writing(record_path(cohort)) as book:
        book.append("accept", {"model": "capstone-health-other", "version": version, "findings": []})
    assert story(MODEL, told(cohort)).in_use == ""
    assert told(cohort, MODEL)[-1].facts["model"] == MODEL

"""A learner's runs: one line starts one, and they can be read back."""

from pathlib import Path

import mlflow
import pytest

from civicml import tracking
from civicml.errors import CivicmlError


def test_one_line_starts_a_run_that_plain_mlflow_writes_to(cohort: Path) -> None:
    with tracking.start("week01", run_name="rule of thumb"):
        mlflow.log_param("threshold_days", 14)
        mlflow.log_metric("recall", 0.41)

    run = tracking.last_run("week01")

    assert run.info.run_name == "rule of thumb"
    assert run.info.status == "FINISHED"
    assert run.data.params == {"threshold_days": "14"}
    assert run.data.metrics == {"recall": 0.41}


def test_each_learner_has_an_experiment_of_their_own(cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for learner in ("ana", "ben", "ana"):
        monkeypatch.setenv("CIVICML_LEARNER", learner)
        with tracking.start("week01"):
            pass

    client = mlflow.MlflowClient()
    sizes = {
        name: len(client.search_runs([client.get_experiment_by_name(name).experiment_id]))
        for name in ("ana", "ben")
    }
    assert sizes == {"ana": 2, "ben": 1}


def test_runs_gives_one_tidy_row_for_each_run_newest_first(
    cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tracking.start("week01", run_name="rule"):
        mlflow.log_metric("recall", 0.4)
    monkeypatch.setenv("CIVICML_LEARNER", "ben")
    with tracking.start("week02", run_name="model"):
        mlflow.log_param("depth", 3)
        mlflow.log_metric("recall", 0.6)

    frame = tracking.runs()

    assert list(frame.columns) == [*tracking.COLUMNS, "params.depth", "metrics.recall"]
    assert frame[["learner", "week", "run_name", "metrics.recall"]].values.tolist() == [
        ["ben", "week02", "model", 0.6],
        ["ana", "week01", "rule", 0.4],
    ]
    assert str(frame["started"].dt.tz) == "UTC"


def test_runs_can_be_asked_for_by_week_and_by_learner(cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for learner, week in (("ana", "week01"), ("ana", "week02"), ("ben", "week01")):
        monkeypatch.setenv("CIVICML_LEARNER", learner)
        with tracking.start(week):
            pass

    assert tracking.runs(week="week01")["learner"].tolist() == ["ben", "ana"]
    assert tracking.runs(learner="ana")["week"].tolist() == ["week02", "week01"]
    assert len(tracking.runs(week="1", learner="ben")) == 1


def test_a_store_without_runs_gives_an_empty_frame_with_its_columns(cohort: Path) -> None:
    for frame in (tracking.runs(), tracking.runs(learner="nobody-yet")):
        assert frame.empty
        assert list(frame.columns) == list(tracking.COLUMNS)


def test_the_last_run_is_the_current_learners_newest(cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for learner, name in (("ana", "first"), ("ana", "second"), ("ben", "third")):
        monkeypatch.setenv("CIVICML_LEARNER", learner)
        with tracking.start("week01", run_name=name):
            pass
    monkeypatch.setenv("CIVICML_LEARNER", "ana")

    assert tracking.last_run("week01").info.run_name == "second"
    assert tracking.last_run("week01", learner="ben").info.run_name == "third"


def test_no_run_yet_is_said_with_the_line_that_logs_one(cohort: Path) -> None:
    with pytest.raises(CivicmlError, match=r"ana has no run for week01 yet.*tracking\.start"):
        tracking.last_run("week01")


def test_the_data_hash_is_kept_with_the_run(cohort: Path) -> None:
    with tracking.start("week01", data="sha256:1234"):
        pass

    assert tracking.last_run("week01").data.tags[tracking.DATA_TAG] == "sha256:1234"


def test_a_run_that_fails_is_marked_as_failed_and_closed(cohort: Path) -> None:
    with pytest.raises(ZeroDivisionError), tracking.start("week01"):
        _ = 1 / 0

    assert tracking.last_run("week01").info.status == "FAILED"
    with tracking.start("week01"):
        pass


def test_a_run_left_open_is_named_and_not_lost(cohort: Path) -> None:
    tracking.start("week01", run_name="forgotten")
    try:
        with pytest.raises(CivicmlError, match=r"'forgotten' is still open.*mlflow\.end_run"):
            tracking.start("week01", run_name="next")
    finally:
        mlflow.end_run()


def test_a_learner_who_deleted_the_experiment_can_log_again(cohort: Path) -> None:
    with tracking.start("week01", run_name="before"):
        pass
    client = mlflow.MlflowClient()
    client.delete_experiment(client.get_experiment_by_name("ana").experiment_id)

    with tracking.start("week01", run_name="after"):
        pass

    assert tracking.last_run("week01").info.run_name == "after"


@pytest.mark.parametrize("written", ["week01", "week1", "1", "01", "week01_workbench"])
def test_a_week_may_be_written_as_people_write_it(cohort: Path, written: str) -> None:
    with tracking.start(written):
        pass

    assert tracking.runs()["week"].tolist() == ["week01"]


@pytest.mark.parametrize("wrong", ["", "week", "week00", "january", "week01' or 1=1"])
def test_what_is_not_a_week_is_refused_before_a_run_begins(cohort: Path, wrong: str) -> None:
    with pytest.raises(CivicmlError, match="is not a week"):
        tracking.start(wrong)

    assert mlflow.active_run() is None


def test_artefacts_lie_inside_the_cohort(cohort: Path) -> None:
    with tracking.start("week01"):
        mlflow.log_text("hello", "note.txt")

    found = [path.relative_to(cohort).parts[:3] for path in cohort.rglob("note.txt")]
    assert found == [("tracking", "artifacts", "ana")]


def test_starting_leaves_the_tracking_variable_as_it_was(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    with tracking.start("week01"):
        pass
    assert "MLFLOW_TRACKING_URI" not in os.environ

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "cohort.toml").touch()
    monkeypatch.setenv("CIVICML_COHORT", str(elsewhere))
    with tracking.start("week01", run_name="in the other cohort"):
        pass
    assert tracking.runs()["run_name"].tolist() == ["in the other cohort"]

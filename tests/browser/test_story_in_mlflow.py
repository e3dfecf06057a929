"""What a reviewer sees of a version in MLflow's own pages: how it stands, who decided, and why."""

import threading
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from civicml import tracking
from civicml.review import Finding, Part, Review
from civicml.review.decisions import Decider, Reasons, decide
from civicml.review.keeping import attach

pytest.importorskip("playwright", reason="no browser tests: the package playwright is not installed")

MODEL = "capstone-health-missed-appointments"
LEAK = Finding("leak:duration", "critical", "learner", "evaluates", "It knows the outcome.", "Leave it out.")
DEE = Decider("Dr Dee Dobson", "Head of Primary Care Access")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tracking.Server]:
    """Version 1 was returned for a leak, version 2 answers it and is accepted."""
    cohort = tmp_path_factory.mktemp("story") / "cohort"
    cohort.mkdir()
    (cohort / "cohort.toml").write_text('id = "test"\nname = "test"\nstart = 2026-01-12\n', encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "JUPYTERHUB_USER"):
            patch.delenv(name, raising=False)
        patch.setenv("CIVICML_COHORT", str(cohort))
        patch.setenv("CIVICML_LEARNER", "ana")
        hand_in("")
        hand_in('[[answer]]\nfinding = "leak:duration"\nchanged = "It was taken out and trained again."\n')
        patch.delenv("CIVICML_LEARNER")
        attach(cohort, review("1", LEAK))
        decide(cohort, MODEL, "1", "return", DEE, Reasons("It cannot know how long a visit will last."))
        attach(cohort, review("2"))
        reasons = Reasons("It finds twice as many as the rule.", ("Eve Ellis: the trial is short.",))
        decide(cohort, MODEL, "2", "accept", DEE, reasons)
        with tracking.serve(cohort / "tracking") as server:
            tick = threading.Event()
            for _ in range(1200):
                if server.is_ready():
                    break
                tick.wait(0.1)
            yield server


def hand_in(answers: str) -> None:
    with tracking.start("week12", run_name="capstone") as run:
        mlflow.log_text("a model", "model/MLmodel")
        mlflow.log_text(answers, "dossier/answers.toml")
    client = mlflow.MlflowClient()
    if not client.search_registered_models(f"name = '{MODEL}'"):
        client.create_registered_model(MODEL)
    client.create_model_version(MODEL, f"{run.info.artifact_uri}/model", run.info.run_id)


def review(version: str, *findings: Finding) -> Review:
    run_id = str(mlflow.MlflowClient().get_model_version(MODEL, version).run_id)
    part = Part("evaluates", "Re-evaluation", "findings" if findings else "clear", "Done.", findings=findings)
    began = "2026-11-22T10:00:00+00:00"
    return Review(MODEL, version, "health", run_id, "ana", began, 84.2, {"run": run_id}, (part,))


def test_mlflow_tells_the_story_of_a_version(served, chromium: str, artefacts: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1400, "height": 1200})
        page.set_default_timeout(60_000)
        texts = {}
        for version in ("1", "2"):
            page.goto(f"{served.url}/#/models/{MODEL}/versions/{version}")
            page.wait_for_selector("text=The department's record")
            page.screenshot(path=artefacts / f"mlflow_version_{version}.png", full_page=True)
            texts[version] = page.inner_text("body")
        page.goto(f"{served.url}/#/models/{MODEL}")
        page.wait_for_selector("text=accepted")
        page.screenshot(path=artefacts / "mlflow_model.png", full_page=True)
        browser.close()

    assert "The department's record: returned" in texts["1"]
    assert "It cannot know how long a visit will last." in texts["1"]
    assert "1 critical finding" in texts["1"]
    assert "The department's record: accepted, in use" in texts["2"]
    assert "Dissent: Eve Ellis: the trial is short." in texts["2"]
    assert "Dr Dee Dobson, Head of Primary Care Access" in texts["2"]

"""A cohort with a real registry on SQLite, ana who hands capstones in, and reviews of them made by hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import mlflow
import pytest

from civicml import tracking
from civicml.review import Finding, Part, Plot, Review, Table

MODEL = "capstone-health-missed-appointments"
PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20"/></svg>'
)
LEAK = Finding(
    "leak:duration_minutes",
    "critical",
    "learner",
    "evaluates",
    "The model asks for duration_minutes, which is known only after the appointment.",
    "Leave it out and train again.",
)
GAP = Finding(
    "gap:sex",
    "major",
    "learner",
    "audits",
    "Of women who miss, 31% are on the list; of men, 44%.",
    "Say in the equality analysis why, or set the threshold so that it does not happen.",
)
TYPO = Finding(
    "figure:brier", "minor", "learner", "paperwork", "The card says 0.09, the run 0.11.", "Mend it."
)
LATE = Finding(
    "stale-data", "critical", "department", "evaluates", "The sealed data are a year old.", "Build again."
)
TITLES = {
    "loads": "Loading",
    "evaluates": "Re-evaluation",
    "audits": "Audit by group",
    "stresses": "Stress",
    "privacy": "Privacy",
    "reproduces": "Reproduction",
    "paperwork": "Paperwork",
}


def parts(*findings: Finding, not_done: str = "") -> tuple[Part, ...]:
    made = []
    for name, title in TITLES.items():
        mine = tuple(finding for finding in findings if finding.part == name)
        state = "not_done" if name == not_done else "findings" if mine else "clear"
        table = Table(
            f"What was measured: {name}", ("measure", "value"), (("a share", 0.7134), ("cases", 12400))
        )
        plot = Plot(f"A picture of {name}", PICTURE, "A black rectangle twice as wide as it is high.")
        made.append(Part(name, title, state, f"{title} was done.", (table,), (plot,), mine))
    return tuple(made)


@pytest.fixture
def cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ana and Ben are in the team Access, Cy in Estates; Dr Dee is enrolled nowhere."""
    folder = tmp_path / "cohort"
    folder.mkdir()
    (folder / "cohort.toml").write_text('id = "test"\nname = "test"\nstart = 2026-01-12\n', encoding="utf-8")
    (folder / "learners.csv").write_text(
        "id,first_name,last_name,email,team\n"
        "ana,Ana,Archer,ana@example.org,Access\nben,Ben,Baker,,access\ncy,Cy,Carter,,Estates\n",
        encoding="utf-8",
    )
    for name in (
        "MLFLOW_TRACKING_URI",
        "CIVICML_COURSE",
        "JUPYTERHUB_USER",
        "CIVICML_LEARNER",
        "MLFLOW_TRACKING_USERNAME",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CIVICML_COHORT", str(folder))
    monkeypatch.setenv("CIVICML_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return folder


@dataclass
class Desk:
    """Ana's desk: hands in versions and gives the reviews of them."""

    cohort: Path
    answers: dict[str, str] = field(default_factory=dict)

    def client(self) -> mlflow.MlflowClient:
        uri = tracking.prepare_store(self.cohort / "tracking")
        return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)

    def hand_in(self, learner: str = "ana", answers: str | None = None) -> str:
        """Log a run and register a version of it, as the artefact helpers do; give its number."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CIVICML_LEARNER", learner)
            with tracking.start("week12", run_name="capstone") as run:
                mlflow.log_metric("recall_at_capacity", 0.41)
                mlflow.log_text("a model", "model/MLmodel")
                mlflow.log_text("def train(tables, seed): ...", "source/train.py")
                if answers is not None:
                    mlflow.log_text(answers, "dossier/answers.toml")
        client = self.client()
        if not client.search_registered_models(f"name = '{MODEL}'"):
            client.create_registered_model(MODEL)
        made = client.create_model_version(MODEL, f"{run.info.artifact_uri}/model", run.info.run_id)
        client.set_registered_model_alias(MODEL, "candidate", made.version)
        return str(made.version)

    def review(self, version: str, *findings: Finding, not_done: str = "", refused: str = "") -> Review:
        run_id = self.client().get_model_version(MODEL, version).run_id
        return Review(
            MODEL,
            version,
            "health",
            run_id,
            "ana",
            "2026-11-22T10:00:00+00:00",
            84.2,
            {"data": "sha256 e8b25f", "run": run_id, "model": f"{MODEL} version {version}"},
            parts(*findings, not_done=not_done),
            refused,
        )

    def aliases(self) -> dict[str, str]:
        found = self.client().get_registered_model(MODEL).aliases
        return {alias: str(version) for alias, version in found.items()}

    def version(self, version: str):
        return self.client().get_model_version(MODEL, version)

    def artefact(self, version: str, path: str) -> str:
        run_id = self.version(version).run_id
        return Path(self.client().download_artifacts(run_id, path)).read_text(encoding="utf-8")


@pytest.fixture
def desk(cohort: Path) -> Desk:
    return Desk(cohort)


@pytest.fixture
def reviewed(desk: Desk, cohort: Path) -> Callable[..., str]:
    """Hand in a version and keep a review of it with these findings; give the version's number."""
    from civicml.review.keeping import attach

    def make(*findings: Finding, answers: str | None = None, learner: str = "ana", **facts: str) -> str:
        version = desk.hand_in(learner, answers)
        attach(cohort, desk.review(version, *findings, **facts))
        return version

    return make

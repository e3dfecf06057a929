"""A cohort's tracking folder of a test's own, with no trace of the machine's real one."""

from pathlib import Path

import pytest


@pytest.fixture
def cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cohort, found through $CIVICML_COHORT, with ana at the notebook."""
    folder = tmp_path / "cohort"
    folder.mkdir()
    (folder / "cohort.toml").write_text('name = "test"\n', encoding="utf-8")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("CIVICML_COURSE", raising=False)
    monkeypatch.delenv("JUPYTERHUB_USER", raising=False)
    monkeypatch.setenv("CIVICML_COHORT", str(folder))
    monkeypatch.setenv("CIVICML_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CIVICML_LEARNER", "ana")
    monkeypatch.chdir(tmp_path)
    return folder

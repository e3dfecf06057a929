"""A version's files are fetched whole or not at all, from its own run, and no name leads them elsewhere."""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import mlflow
import pytest

from civicml import ports, tracking
from civicml.errors import CivicmlError
from civicml.tracking import artefacts
from civicml.tracking.artefacts.fetching import _listed_there

from .models import INPUTS, frame, logistic

CAPSTONE = "capstone-health-missed-appointments"
HEALTH = {"domain": "health", "name": "missed-appointments"}


def hand_in(tmp_path: Path) -> str:
    """Log and register a model as ana; gives the run's id."""
    source = tmp_path / "train.py"
    source.write_text("def train(tables, seed): ...\n", encoding="utf-8")
    with tracking.start("week12") as run:
        artefacts.log_model(logistic(), example=frame()[INPUTS].head(), data="a", seed=1, source=source)
    artefacts.register(run.info.run_id, **HEALTH)
    return str(run.info.run_id)


@pytest.fixture
def files(cohort: Path, tmp_path: Path) -> Path:
    """Where the files of version 1's run lie, for the learner to spoil afterwards."""
    return cohort / "tracking" / "artifacts" / "ana" / hand_in(tmp_path) / "artifacts"


def refused(tmp_path: Path, **more: int) -> str:
    with pytest.raises(artefacts.Refused) as refusal:
        artefacts.fetch(CAPSTONE, 1, tmp_path / "review" / "v1", **more)
    assert list((tmp_path / "review").glob("*")) + list((tmp_path / "review").glob(".*")) == []
    return refusal.value.reason


@pytest.fixture(autouse=True)
def _folder_for_reviews(tmp_path: Path) -> None:
    (tmp_path / "review").mkdir()


def test_links_put_into_the_run_s_folder_afterwards_are_not_followed(files: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("x", encoding="utf-8")

    (files / "source" / "link.py").symlink_to(secret / "key")
    assert "'source/link.py' is a link" in refused(tmp_path)

    (files / "source" / "link.py").unlink()
    (files / "source" / "folder").symlink_to(secret)
    assert "'source/folder' is a link" in refused(tmp_path)

    (files / "source" / "folder").unlink()
    shutil.rmtree(files)
    files.symlink_to(secret)
    assert "outside the store" in refused(tmp_path)


def test_a_pipe_is_refused_and_nobody_waits_for_it(files: Path, tmp_path: Path) -> None:
    os.mkfifo(files / "dossier.md")

    assert "'dossier.md' is a link, or no ordinary file" in refused(tmp_path)


def test_four_gigabytes_are_refused_before_they_are_copied(files: Path, tmp_path: Path) -> None:
    with (files / "model" / "model.skops").open("wb") as file:
        file.truncate(4 * 1024**3)

    assert "4,096 MB in all; 500 MB are allowed" in refused(tmp_path)


def test_the_reviewer_s_own_limit_holds(files: Path, tmp_path: Path) -> None:
    assert "1,000 bytes are allowed" in refused(tmp_path, limit_bytes=1000)


def test_files_that_are_gone_are_said(files: Path, tmp_path: Path) -> None:
    shutil.rmtree(files)

    assert refused(tmp_path) == "The run has no files."


def test_a_version_that_points_to_other_files_than_its_run_s_is_refused(
    files: Path, cohort: Path, tmp_path: Path
) -> None:
    client = mlflow.MlflowClient()
    run_id = files.parent.name
    for source in ("file:///etc", f"file://{cohort}/tracking/artifacts/ben/x/artifacts/model"):
        version = client.create_model_version(CAPSTONE, source, run_id).version
        with pytest.raises(artefacts.Refused, match="points to files that are not its run's model"):
            artefacts.fetch(CAPSTONE, version, tmp_path / "review" / "v")
    version = client.create_model_version(CAPSTONE, "file:///etc").version
    with pytest.raises(artefacts.Refused, match="belongs to no run"):
        artefacts.fetch(CAPSTONE, version, tmp_path / "review" / "v")

    assert list((tmp_path / "review").iterdir()) == []


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("file:///etc", "outside the store"),
        ("mlflow-artifacts://example.org/x", "where the store does not"),
        ("s3://bucket/x", "where the store does not"),
    ],
)
def test_an_experiment_whose_files_lie_elsewhere_is_refused_and_nobody_is_asked_for_them(
    place: str, said: str, files: Path, tmp_path: Path
) -> None:
    client = mlflow.MlflowClient()
    run = client.create_run(client.create_experiment("elsewhere", artifact_location=place))
    version = client.create_model_version(CAPSTONE, f"{run.info.artifact_uri}/model", run.info.run_id).version

    with pytest.raises(artefacts.Refused, match=said):
        artefacts.fetch(CAPSTONE, version, tmp_path / "review" / "v")


def test_a_deleted_run_is_refused(files: Path, tmp_path: Path) -> None:
    mlflow.MlflowClient().delete_run(files.parent.name)

    assert refused(tmp_path) == "The run of this version has been deleted."


@pytest.mark.parametrize(
    ("model", "version"), [("capstone-health-nothing", 1), (CAPSTONE, 7), (CAPSTONE, -1)]
)
def test_a_version_that_is_not_there_is_said(model: str, version: int, files: Path, tmp_path: Path) -> None:
    with pytest.raises(CivicmlError, match=f"There is no version {version} of '{model}'"):
        artefacts.fetch(model, version, tmp_path / "review" / "v")


def test_a_folder_that_is_there_is_left_alone(files: Path, tmp_path: Path) -> None:
    (tmp_path / "review" / "mine.txt").write_text("x", encoding="utf-8")

    with pytest.raises(CivicmlError, match="is there already"):
        artefacts.fetch(CAPSTONE, 1, tmp_path / "review")

    assert [path.name for path in (tmp_path / "review").iterdir()] == ["mine.txt"]


def test_the_learner_is_the_owner_of_the_experiment_whatever_a_tag_says(files: Path, tmp_path: Path) -> None:
    mlflow.MlflowClient().set_tag(files.parent.name, "civicml.learner", "ben")

    fetched = artefacts.fetch(CAPSTONE, 1, tmp_path / "review" / "v")

    assert (fetched.learner, fetched.tags["civicml.learner"]) == ("ana", "ben")


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "model/../../evil", "a\\b", "model//x", "."])
def test_a_server_that_lists_names_leading_elsewhere_is_not_believed(name: str) -> None:
    """MLflow's own server lists no such names; one that was taken over might."""
    listing = SimpleNamespace(
        list_artifacts=lambda folder: [SimpleNamespace(path=name, is_dir=False, file_size=1)]
    )

    with pytest.raises(artefacts.Refused, match="leads out of the model's folder"):
        _listed_there(listing, 1000)


def test_a_server_that_lists_folders_without_end_is_not_followed() -> None:
    listing = SimpleNamespace(
        list_artifacts=lambda folder: [
            SimpleNamespace(path=f"{folder or 'a'}/a" if folder else "a", is_dir=True, file_size=None)
        ]
    )

    with pytest.raises(artefacts.Refused, match="go too deep"):
        _listed_there(listing, 1000)


@pytest.fixture
def server(tmp_path: Path, cohort: Path) -> Iterator[str]:
    """MLflow's own server, which hands out artefacts itself, as a cohort's does."""
    folder = tmp_path / "server"
    folder.mkdir()
    store = tracking.prepare_store(folder)
    port = ports.choose(None, 5700)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store, "--port", str(port)]
    command += ["--artifacts-destination", str(folder / "kept"), "--serve-artifacts", "--workers", "1"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        )
    try:
        address = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{address}/health", timeout=2).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < until, (folder / "log").read_text()
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait()


def test_from_a_server_files_are_fetched_by_the_same_rules(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    run_id = hand_in(tmp_path)

    fetched = artefacts.fetch(CAPSTONE, 1, tmp_path / "review" / "v1")

    assert artefacts.inspect(fetched.folder).sha256 == fetched.tags["civicml.model"]
    assert fetched.learner == "ana"
    assert artefacts.open_model(fetched.folder)(frame()).shape == (200,)

    (kept,) = (tmp_path / "server" / "kept").rglob(f"{run_id}/artifacts/model/model.skops")
    with kept.open("wb") as file:
        file.truncate(4 * 1024**3)
    shutil.rmtree(tmp_path / "review" / "v1")
    assert "4,096 MB in all" in refused(tmp_path)

"""The cohort's server as it runs: MLflow's own authentication, a real PostgreSQL, an S3 store over HTTP."""

import configparser
import json
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlflow
import psutil
import pytest
from mlflow.exceptions import MlflowException

from civicml import tracking
from civicml.cohort import Cohort, open_cohort
from civicml.cohort.server import prepare_server, renew, start_server, update_accounts
from civicml.errors import CivicmlError
from civicml.tracking.server import Server
from civicml.tracking.shared import read_shared, serve_shared

REPOSITORY = Path(__file__).parents[2]
PATIENCE = 120  # seconds; a bound for a machine that is busy, not an expectation
MODEL = "capstone-health-missed-appointments"
ALIAS = "/api/2.0/mlflow/registered-models/alias"
VERSION = {"name": MODEL, "version": "1"}


@dataclass(frozen=True)
class Running:
    """A cohort whose server runs."""

    cohort: Cohort
    server: Server

    def account(self, name: str) -> tuple[str, str]:
        file = configparser.ConfigParser(interpolation=None)
        file.read(self.cohort.root / "server" / "accounts" / f"{name}.ini")
        account = file["mlflow"]
        return account["mlflow_tracking_username"], account["mlflow_tracking_password"]

    def ask(self, name: str, method: str, path: str, body: object = None) -> bytes:
        """What the server answers `name`, without MLflow's client in between."""
        request = urllib.request.Request(
            f"{self.server.url}{path}",
            method=method,
            data=body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        if name:
            request.add_header(
                "Authorization", "Basic " + b64encode(":".join(self.account(name)).encode()).decode()
            )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def refuses(self, name: str, method: str, path: str, body: object = None) -> str:
        """The words it refuses `name` with."""
        with pytest.raises(urllib.error.HTTPError) as caught:
            self.ask(name, method, path, body)
        assert caught.value.code == 403, f"{method} {path}: {caught.value.code} {caught.value.read()!r}"
        return caught.value.read().decode()


def wait_until_ready(server: Server) -> None:
    tick = threading.Event()
    for _ in range(PATIENCE * 10):
        if server.is_ready():
            return
        tick.wait(0.1)
    raise AssertionError(f"{server.url} did not answer in {PATIENCE} seconds")


@pytest.fixture(scope="module")
def running(database, object_store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Ana and Ben learn, Rosa reviews; the server is set up as the handbook says."""
    root = tmp_path_factory.mktemp("cohort")
    facts = f'id = "test"\nname = "test"\nstart = 2026-01-12\ncourse = "{REPOSITORY}"\n'
    (root / "cohort.toml").write_text(facts, encoding="utf-8")
    (root / "learners.csv").write_text("id\nana\nben\n", encoding="utf-8")
    (root / "reviewers.csv").write_text("id,first_name\nrosa,Rosa\n", encoding="utf-8")
    cohort = open_cohort(root)
    with pytest.raises(CivicmlError, match=r"settings.*are new"):
        prepare_server(cohort)
    settings = root / "server" / "settings.toml"
    text = settings.read_text(encoding="utf-8")
    for name, value in {
        "database": f"postgresql://civicml@127.0.0.1:{database.port}/civicml",
        "artifacts": f"s3://{object_store.bucket}/cohort",
        "s3_endpoint": object_store.endpoint,
        "s3_region": "us-east-1",
    }.items():
        lines = [
            f'{name} = "{value}"' if line.startswith(f"{name} =") else line for line in text.splitlines()
        ]
        text = "\n".join(lines)
    settings.write_text(text.replace("workers = 2", "workers = 1"), encoding="utf-8")
    secret = root / "server" / "secrets.toml"
    secret.write_text(
        secret.read_text(encoding="utf-8")
        .replace('s3_access_key = ""', f's3_access_key = "{object_store.access_key}"')
        .replace('s3_secret_key = ""', f's3_secret_key = "{object_store.secret_key}"'),
        encoding="utf-8",
    )
    with pytest.raises(CivicmlError, match=r"cannot be opened: .*psql < '.*database\.sql'"):
        update_accounts(cohort)
    database.administer((root / "server" / "database.sql").read_text(encoding="utf-8"))
    assert update_accounts(cohort).added == ("instructor", "ana", "ben", "rosa")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with start_server(cohort, port) as server:
        wait_until_ready(server)
        yield Running(cohort, server)


@pytest.fixture
def signed_in(running: Running, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], mlflow.MlflowClient]:
    """Makes this process somebody's notebook."""
    monkeypatch.delenv("CIVICML_COHORT", raising=False)
    monkeypatch.delenv("JUPYTERHUB_USER", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", running.server.url)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    def sign_in(name: str) -> mlflow.MlflowClient:
        username, password = running.account(name)
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", username)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
        monkeypatch.setenv("CIVICML_LEARNER", name)
        return mlflow.MlflowClient(running.server.url, running.server.url)

    return sign_in


@pytest.fixture(scope="module")
def handed_in(running: Running) -> str:
    """The id of Ana's run, whose model she has registered as version 1."""
    with pytest.MonkeyPatch.context() as patch:
        ana, password = running.account("ana")
        for name, value in {
            "MLFLOW_TRACKING_URI": running.server.url,
            "MLFLOW_TRACKING_USERNAME": ana,
            "MLFLOW_TRACKING_PASSWORD": password,
            "CIVICML_LEARNER": ana,
        }.items():
            patch.setenv(name, value)
        patch.delenv("CIVICML_COHORT", raising=False)
        with tracking.start("week12", run_name="capstone") as run:
            mlflow.log_metric("recall", 0.41)
            mlflow.log_text("flavors: {}", "model/MLmodel")
        client = mlflow.MlflowClient(running.server.url, running.server.url)
        client.create_registered_model(MODEL)
        tags = {"civicml.learner": "ana", "civicml.week": "week12"}
        client.create_model_version(MODEL, f"{run.info.artifact_uri}/model", run.info.run_id, tags=tags)
        return str(run.info.run_id)


@contextmanager
def refused(words: str = "Permission denied|PERMISSION_DENIED|403") -> Iterator[None]:
    with pytest.raises((MlflowException, OSError), match=words):
        yield


# --- learners -----------------------------------------------------------------------------------


def test_a_learner_logs_and_reads_runs_as_on_one_machine(running, object_store, signed_in, handed_in) -> None:
    signed_in("ana")

    assert tracking.runs("week12")["run_name"].to_list() == ["capstone"]
    assert mlflow.artifacts.load_text(f"runs:/{handed_in}/model/MLmodel") == "flavors: {}"
    assert tracking.last_run("week12").data.metrics == {"recall": 0.41}
    assert any(name.endswith(f"{handed_in}/artifacts/model/MLmodel") for name in object_store.names())


def test_what_a_learner_registers_is_the_candidate(signed_in, handed_in) -> None:
    found = signed_in("ana").get_model_version_by_alias(MODEL, "candidate")

    assert (found.version, found.run_id) == ("1", handed_in)


def test_a_learner_cannot_see_anothers_work(running, signed_in, handed_in) -> None:
    ben = signed_in("ben")
    experiment = json.loads(
        running.ask("rosa", "GET", f"/api/2.0/mlflow/runs/get?run_id={handed_in}")
    )["run"]["info"]["experiment_id"]  # fmt: skip

    assert tracking.runs().empty
    assert tracking.runs(learner=None).empty
    assert [found.name for found in ben.search_experiments()] == ["ben"]
    assert list(ben.search_runs([experiment])) == []
    assert list(ben.search_registered_models()) == []
    assert list(ben.search_model_versions()) == []
    with refused():
        ben.get_run(handed_in)
    with refused():
        ben.get_experiment_by_name("ana")
    with refused():
        ben.get_metric_history(handed_in, "recall")
    with refused():
        ben.get_model_version(MODEL, "1")
    with refused():
        ben.list_artifacts(handed_in)
    file = f"{experiment}/{handed_in}/artifacts/model/MLmodel"
    for path in (
        f"/api/2.0/mlflow-artifacts/artifacts/{file}",
        f"/ajax-api/2.0/mlflow-artifacts/artifacts/{file}",
        f"/api/2.0/mlflow-artifacts/artifacts/{file.replace(experiment, f'%3{experiment}', 1)}",
        f"/get-artifact?path=model/MLmodel&run_uuid={handed_in}",
        f"/model-versions/get-artifact?path=MLmodel&name={MODEL}&version=1",
        f"/api/2.0/mlflow/registered-models/alias?name={MODEL}&alias=candidate",
        "/api/2.0/mlflow/users/list",
    ):
        running.refuses("ben", "GET", path)
    query = f'{{mlflowGetRun(input: {{runId: "{handed_in}"}}) {{run {{info {{runName}}}}}}}}'
    assert b"capstone" not in running.ask("ben", "POST", "/graphql", {"query": query})


def test_a_learner_cannot_write_to_anothers_work(running, signed_in, handed_in) -> None:
    ben = signed_in("ben")
    ana = running.ask("rosa", "GET", f"/api/2.0/mlflow/runs/get?run_id={handed_in}")
    experiment = json.loads(ana)["run"]["info"]["experiment_id"]

    with refused():
        ben.create_run(experiment)
    with refused():
        ben.log_metric(handed_in, "recall", 1.0)
    with refused():
        ben.set_tag(handed_in, "note", "mine")
    with refused():
        ben.log_text(handed_in, "flavors: {}", "model/MLmodel")
    with refused():
        ben.create_model_version(MODEL, f"runs:/{handed_in}/model", handed_in)


def test_a_copy_of_anothers_model_cannot_be_registered(running, signed_in, handed_in) -> None:
    ben = signed_in("ben")
    own = ben.create_run(ben.get_experiment_by_name("ben").experiment_id)
    ben.create_registered_model("capstone-health-borrowed")
    uri = signed_in("ana").get_run(handed_in).info.artifact_uri

    signed_in("ben")
    for source in (f"{uri}/model", f"runs:/{handed_in}/model", f"models:/{MODEL}/1", "file:///etc"):
        for run_id in (own.info.run_id, handed_in):
            with pytest.raises(MlflowException):
                ben.create_model_version("capstone-health-borrowed", source, run_id)
    assert list(ben.search_model_versions("name = 'capstone-health-borrowed'")) == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", ALIAS, {"name": MODEL, "alias": "accepted", "version": "1"}),
        (
            "POST",
            "/ajax-api/2.0/mlflow/registered-models/alias",
            {"name": MODEL, "alias": "candidate", "version": "1"},
        ),
        ("DELETE", ALIAS, {"name": MODEL, "alias": "candidate"}),
        ("DELETE", f"/api/2.0/mlflow/registered-models/alias?name={MODEL}&alias=candidate", None),
        ("POST", "/api/2.0/mlflow/model-versions/transition-stage", {**VERSION, "stage": "Production"}),
        (
            "POST",
            "/api/2.0/mlflow/model-versions/set-tag",
            {**VERSION, "key": "civicml.state", "value": "accepted"},
        ),
        ("DELETE", "/api/2.0/mlflow/model-versions/delete", VERSION),
        ("PATCH", "/api/2.0/mlflow/model-versions/update", {**VERSION, "description": "accepted"}),
        ("DELETE", "/api/2.0/mlflow/registered-models/delete", {"name": MODEL}),
        (
            "POST",
            "/api/2.0/mlflow/registered-models/rename",
            {"name": MODEL, "new_name": "capstone-health-other"},
        ),
        ("POST", "/api/2.0/mlflow/registered-models/set-tag", {"name": MODEL, "key": "a", "value": "b"}),
        (
            "POST",
            "/api/3.0/mlflow/users/permissions/grant",
            {
                "username": "ben",
                "resource_type": "registered_model",
                "resource_id": MODEL,
                "permission": "MANAGE",
            },
        ),
        ("POST", "/api/2.0/mlflow/users/create", {"username": "carl", "password": "a long password"}),
        ("PATCH", "/api/2.0/mlflow/users/update-admin", {"username": "ana", "is_admin": True}),
        ("POST", "/api/2.0/mlflow/experiments/create", {"name": "carl"}),
        ("POST", "/api/2.0/mlflow/webhooks", {"name": "a", "url": "https://example.org", "events": []}),
        ("POST", "/ajax-api/3.0/mlflow/assistant/message", {}),
        ("POST", "/api/3.0/mlflow/gateway/secrets/create", {}),
    ],
)
def test_a_learner_may_not_decide_about_the_own_model(
    running, handed_in, method: str, path: str, body: object
) -> None:
    before = running.ask("rosa", "GET", f"/api/2.0/mlflow/registered-models/get?name={MODEL}")

    running.refuses("ana", method, path, body)

    assert running.ask("rosa", "GET", f"/api/2.0/mlflow/registered-models/get?name={MODEL}") == before


def test_a_refusal_says_what_to_do(running, handed_in) -> None:
    body = {"name": MODEL, "alias": "accepted", "version": "1"}

    said = json.loads(running.refuses("ana", "POST", ALIAS, body))

    assert said["error_code"] == "PERMISSION_DENIED"
    assert "Only a reviewer moves an alias, with 'civicml decide'." in said["message"]


def test_a_learner_cannot_write_what_only_a_review_says(running, signed_in, handed_in) -> None:
    ana = signed_in("ana")
    experiment = ana.get_run(handed_in).info.experiment_id

    with refused("set by a reviewer only"):
        ana.create_model_version(
            MODEL, f"runs:/{handed_in}/model", handed_in, tags={"civicml.state": "accepted"}
        )
    with refused("set by a reviewer only"):
        ana.set_tag(handed_in, "civicml.review", "accepted")
    with refused("set by a reviewer only"):
        ana.create_run(experiment, tags={"civicml.review": "accepted"})
    with refused("set by a reviewer only"):
        mlflow.start_run(experiment_id=experiment, tags={"civicml.review": "accepted"})
    for name in (
        "review/round-1/review.html",
        "model/../review/review.html",
        "%72eview/review.html",
        "Review/x",
    ):
        path = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{handed_in}/artifacts/{name}"
        with pytest.raises(urllib.error.HTTPError):
            running.ask("ana", "PUT", path, b"accepted")
    assert ana.list_artifacts(handed_in, "review") == []
    with pytest.raises(urllib.error.HTTPError, match="403"):
        path = f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={handed_in}&path=review/page.html"
        running.ask("ana", "POST", path, b"accepted")


# --- reviewers ------------------------------------------------------------------------------------


def test_a_reviewer_reads_everything_adds_the_review_and_moves_aliases(signed_in, handed_in) -> None:
    rosa = signed_in("rosa")

    assert {found.name for found in rosa.search_experiments()} >= {"ana", "ben"}
    assert tracking.runs("week12", learner="ana")["metrics.recall"].to_list() == [0.41]
    assert mlflow.artifacts.load_text(f"runs:/{handed_in}/model/MLmodel") == "flavors: {}"
    rosa.log_text(handed_in, "<!doctype html>", "review/round-1/review.html")
    rosa.set_tag(handed_in, "civicml.review", "round 1")
    rosa.set_model_version_tag(MODEL, "1", "civicml.state", "accepted")
    rosa.set_registered_model_tag(MODEL, "civicml.in_use", "version 1")
    rosa.update_model_version(MODEL, "1", "The department's record")
    rosa.set_registered_model_alias(MODEL, "accepted", "1")
    rosa.delete_registered_model_alias(MODEL, "candidate")

    ana = signed_in("ana")
    assert ana.get_registered_model(MODEL).aliases == {"accepted": "1"}
    assert mlflow.artifacts.load_text(f"runs:/{handed_in}/review/round-1/review.html") == "<!doctype html>"


def test_a_reviewer_cannot_change_what_is_reviewed(signed_in, handed_in) -> None:
    rosa = signed_in("rosa")
    experiment = rosa.get_run(handed_in).info.experiment_id

    with refused():
        rosa.log_metric(handed_in, "recall", 1.0)
    with refused("no other tags"):
        rosa.set_tag(handed_in, "civicml.learner", "ben")
    with refused():
        rosa.log_text(handed_in, "flavors: {}", "model/MLmodel")
    with refused("runs belong to learners"):
        rosa.create_run(experiment)
    with refused():
        rosa.delete_run(handed_in)
    with refused():
        rosa.delete_model_version(MODEL, "1")
    with refused():
        rosa.delete_registered_model(MODEL)
    with refused():
        rosa.create_model_version(MODEL, f"runs:/{handed_in}/model", handed_in)


# --- accounts and secrets -------------------------------------------------------------------------


def test_nobody_comes_in_without_the_right_password(
    running, signed_in, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("/", "/api/2.0/mlflow/experiments/search?max_results=5", "/graphql", "/get-artifact?path=a"):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            running.ask("", "GET", path)
    assert b"<title>MLflow</title>" in running.ask("ana", "GET", "/")
    signed_in("ana")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "rosa")  # with Ana's password
    with pytest.raises(CivicmlError, match=r"401|not authenticated"):
        tracking.runs()


def test_secrets_stay_in_private_files_and_off_every_command_line(running) -> None:
    folder = running.cohort.root / "server"
    _, secret = read_shared(folder)
    private = [folder, *folder.rglob("*")]
    hidden = [secret.database_password, secret.session_key, secret.s3_secret_key]
    hidden += [running.account(name)[1] for name in ("instructor", "ana", "ben", "rosa")]

    assert all(
        stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in private if path.name != "server.log"
    )
    assert not (folder / "database.sql").exists(), "needed once, and then gone"
    served = psutil.Process(running.server.process.pid)
    lines = [" ".join(process.cmdline()) for process in (served, *served.children(recursive=True))]
    texts = [path.read_text(encoding="utf-8") for path in (folder / "auth.ini", folder / "server.log")]
    for word in hidden:
        assert len(word) >= 16
        assert not any(word in text for text in (*lines, *texts))


def test_who_comes_gets_an_account_who_leaves_loses_it_and_the_runs_stay(
    running, signed_in, handed_in
) -> None:
    cohort = running.cohort
    learners = cohort.root / "learners.csv"
    learners.write_text("id\nana\ncleo\n", encoding="utf-8")
    try:
        changes = update_accounts(cohort)
        again = update_accounts(cohort)

        assert (changes.added, changes.removed) == (("cleo",), ("ben",))
        assert (again.added, again.removed) == ((), ())
        assert not (cohort.root / "server" / "accounts" / "ben.ini").exists()
        signed_in("cleo")
        with tracking.start("week01"):
            pass
        assert "ben" in {found.name for found in signed_in("rosa").search_experiments()}
        assert signed_in("ana").get_run(handed_in).info.status == "FINISHED"
    finally:
        learners.write_text("id\nana\nben\ncleo\n", encoding="utf-8")
        update_accounts(cohort)


def test_a_lost_password_is_drawn_again(running, signed_in) -> None:
    before = (
        running.account("cleo")
        if "cleo" in {one.id for one in running.cohort.learners()}
        else running.account("ben")
    )
    name = before[0]

    path = renew(running.cohort, name)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert running.account(name) != before
    signed_in(name)
    assert tracking.runs(learner=name) is not None
    with pytest.raises(CivicmlError, match="has no account"):
        renew(running.cohort, "nobody")


def test_nobody_is_learner_and_reviewer_at_once(running) -> None:
    reviewers = running.cohort.root / "reviewers.csv"
    before = reviewers.read_text(encoding="utf-8")
    reviewers.write_text("id\nrosa\nana\n", encoding="utf-8")
    try:
        with pytest.raises(CivicmlError, match="'ana' is both a learner and a reviewer"):
            update_accounts(running.cohort)
    finally:
        reviewers.write_text(before, encoding="utf-8")


# --- starting and stopping ------------------------------------------------------------------------


def test_the_command_starts_everything_and_stops_it_in_order(running, port: int) -> None:
    command = [sys.executable, "-m", "civicml", "server", "cohort", "--port", str(port)]
    command += ["--cohort", str(running.cohort.root)]
    settings = running.cohort.root / "server" / "settings.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("workers = 1", "workers = 2"), encoding="utf-8")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        watchdog = threading.Timer(PATIENCE, process.kill)
        watchdog.start()
        lines = iter(process.stdout.readline, "")
        said = next((line for line in lines if "MLflow answers at" in line), "")
        started = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate()
        watchdog.cancel()
    settings.write_text(text, encoding="utf-8")

    assert said == f"MLflow answers at http://127.0.0.1:{port}. Ctrl-C stops it.\n", errors
    assert errors == ""
    assert rest == "Stopped.\n"
    assert process.returncode == 0
    until = time.monotonic() + PATIENCE
    while left := [child for child in started if _lives(child)]:
        assert time.monotonic() < until, left
        time.sleep(0.05)
    assert len(started) >= 3, "two that answer, and the one that looks after them"


def _lives(process: psutil.Process) -> bool:
    """Not so what has ended, and waits for a parent that is gone to ask how."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_port_that_is_taken_is_one_sentence(running) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CivicmlError, match=rf"Port {port} on 127\.0\.0\.1 is taken: .*settings\.toml"):
            start_server(running.cohort, port)


def test_with_a_certificate_it_speaks_https(running, tmp_path: Path, port: int) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    folder = running.cohort.root / "server"
    settings, secret = read_shared(folder)
    settings = settings.model_copy(update={"certificate": str(certificate), "key": str(key)})

    with serve_shared(folder, settings, secret, port) as server:
        wait_until_ready(server)

        assert server.url.startswith("https://")
        trusting = ssl.create_default_context(cafile=certificate)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{server.url}/", context=trusting, timeout=60)
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(f"{server.url}/", timeout=60)

"""MLflow's pages for a cohort's runs, served by the real server."""

import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import mlflow
import psutil
import pytest

from civicml import tracking
from civicml.errors import CivicmlError
from civicml.tracking.server import SETTINGS_FILE, Server, ServerSettings, read_settings, serve

REPOSITORY = Path(__file__).parents[2]
PATIENCE = 120  # seconds; a bound for a machine that is busy, not an expectation


def wait_until_ready(server: Server) -> None:
    tick = threading.Event()
    for _ in range(PATIENCE * 10):
        if server.is_ready():
            return
        tick.wait(0.1)
    raise AssertionError(f"{server.url} did not answer in {PATIENCE} seconds")


def get(address: str, **headers: str) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=30) as answer:
        return answer.read()


@pytest.fixture
def server(cohort: Path) -> Iterator[Server]:
    with serve(cohort / "tracking") as running:
        wait_until_ready(running)
        yield running


def test_the_server_shows_the_cohorts_runs_to_this_machine_only_and_stops_whole(
    cohort: Path, server: Server
) -> None:
    with tracking.start("week01", run_name="rule of thumb"):
        mlflow.log_text("forty patients", "list.txt")
    run = tracking.last_run("week01")

    request = urllib.request.Request(
        f"{server.url}/api/2.0/mlflow/runs/search",
        data=json.dumps({"experiment_ids": [run.info.experiment_id]}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert [found["info"]["run_name"] for found in json.load(answer)["runs"]] == ["rule of thumb"]
    artifact = get(f"{server.url}/get-artifact?path=list.txt&run_uuid={run.info.run_id}")
    assert artifact == b"forty patients"
    assert b"<title>MLflow</title>" in get(server.url)
    telemetry = json.loads(get(f"{server.url}/ajax-api/3.0/mlflow/ui-telemetry"))
    assert telemetry["disable_ui_telemetry"] is True

    # the assistant, which could run programs and call a vendor, is off
    with pytest.raises(urllib.error.HTTPError, match="403"):
        get(f"{server.url}/ajax-api/3.0/mlflow/assistant/config")

    # to this machine only: another host name is refused, and nothing listens on other interfaces
    with pytest.raises(urllib.error.HTTPError, match="403"):
        get(f"{server.url}/api/2.0/mlflow/experiments/get?experiment_id=0", Host="runs.example.org")
    process = psutil.Process(server.process.pid)
    listening = [c.laddr.ip for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    assert listening == ["127.0.0.1"]
    assert process.children(recursive=True) == [], "one process, no workers beside it"

    server.stop()

    assert not process.is_running()
    with pytest.raises(CivicmlError, match="has stopped"):
        server.is_ready()


def test_one_command_shows_the_store_and_stops_with_ctrl_c(cohort: Path) -> None:
    command = [sys.executable, "-m", "civicml", "server", "embedded"]
    heeding = partial(
        signal.signal, signal.SIGINT, signal.default_int_handler
    )  # a shell's background jobs do not
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=heeding) as process:  # noqa: PLW1509
        watchdog = threading.Timer(PATIENCE, process.kill)
        watchdog.start()
        said = process.stdout.readline()
        assert b"<title>MLflow</title>" in get(said.split()[3].rstrip("."))
        started = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate()
        watchdog.cancel()

    assert (rest, process.returncode) == ("Stopped.\n", 0)
    assert len(started) == 1
    assert not started[0].is_running()


def test_a_port_in_use_is_one_sentence(cohort: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CivicmlError, match=f"Port {port} on 127.0.0.1 cannot be used"):
            serve(cohort / "tracking", port=port)


def test_runs_that_go_to_a_server_already_need_no_other(
    cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.gov.uk")

    with pytest.raises(CivicmlError, match="open that address in a browser"):
        serve()


# --- settings -----------------------------------------------------------------------------------


def test_the_file_in_the_course_says_what_the_defaults_are() -> None:
    assert read_settings(REPOSITORY) == ServerSettings()
    stated = (REPOSITORY / SETTINGS_FILE).read_text(encoding="utf-8")
    for name in ServerSettings.model_fields:
        assert f"\n{name} = " in stated


def test_outside_a_course_the_defaults_hold(cohort: Path) -> None:
    assert read_settings() == ServerSettings()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("port = 80", "port: "),
        ("prot = 5000", "prot: "),
        ('workers = "one"', "workers: "),
        ("port = ", "cannot be used: "),
    ],
)
def test_a_setting_that_cannot_be_used_is_one_sentence(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "mlflow").mkdir()
    (tmp_path / SETTINGS_FILE).write_text(line, encoding="utf-8")

    with pytest.raises(CivicmlError, match=said) as caught:
        read_settings(tmp_path)
    assert "server.toml" in str(caught.value)


def test_the_folder_in_the_course_does_not_get_in_the_way_of_the_package() -> None:
    """With the course as working directory, ``import mlflow`` is still MLflow."""
    done = subprocess.run(
        [sys.executable, "-c", "import mlflow; print(mlflow.__version__)"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == mlflow.__version__
    importable = list((REPOSITORY / "mlflow").rglob("*.py"))
    assert importable == [], "a Python file in mlflow/ would hide the package of that name"

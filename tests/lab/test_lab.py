"""`civicml lab`: JupyterLab and MLflow's pages come up for this machine only, and both go again."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from civicml import lab
from civicml.errors import CivicmlError

REPOSITORY = Path(__file__).parents[2]
CONFIG = """
c = get_config()
c.CourseDirectory.root = {root!r}
c.CourseDirectory.course_id = "test"
c.Exchange.root = {exchange!r}
"""


@pytest.fixture(autouse=True)
def _nobody_elses_settings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.mktemp("home")
    for name in ("MLFLOW_TRACKING_URI", "CIVICML_COHORT", "CIVICML_COURSE", "JUPYTERHUB_USER"):
        monkeypatch.delenv(name, raising=False)
    for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
        monkeypatch.setenv(f"JUPYTER_{name}", str(home / name.lower()))
    monkeypatch.setenv("CIVICML_CACHE", str(home / "cache"))


def make_course(root: Path) -> Path:
    """A course with two notebooks in its first week, and a cohort."""
    shutil.copytree(REPOSITORY / "course", root / "course")
    week = root / "modules" / "week01_workbench"
    week.mkdir(parents=True)
    (week / "README.md").write_text("# Week 1\n", encoding="utf-8")
    cells = [new_markdown_cell("# A lesson"), new_code_cell("import os\nos.environ['CIVICML_COHORT']")]
    for name in ("lesson1_first", "lab"):
        nbformat.write(new_notebook(cells=cells), week / f"{name}.ipynb")
    make_cohort(root / "cohort")
    return root


def make_cohort(folder: Path) -> Path:
    (folder / "source" / "week01").mkdir(parents=True)
    (folder / "exchange").mkdir()
    (folder / "logs").mkdir()
    (folder / "cohort.toml").touch()
    config = CONFIG.format(root=str(folder), exchange=str(folder / "exchange"))
    (folder / "nbgrader_config.py").write_text(config, encoding="utf-8")
    return folder


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = make_course(tmp_path / "course")
    monkeypatch.chdir(root)
    return root


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, and that no other test is likely to take meanwhile."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


# --- what is planned ----------------------------------------------------------------------------


def test_it_opens_on_the_page_of_the_first_week(course: Path) -> None:
    planned = lab.plan()

    assert planned.week.name == "week01"
    assert planned.path == "/lab/tree/modules/week01_workbench/README.md"


def test_a_week_without_a_page_is_opened_on_its_folder(course: Path) -> None:
    (course / "modules" / "week01_workbench" / "README.md").unlink()

    assert lab.plan("1").path == "/lab/tree/modules/week01_workbench"


def test_it_can_be_started_from_any_folder_of_the_course(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(course / "modules" / "week01_workbench")

    planned = lab.plan()

    assert planned.course.root == course
    assert planned.cohort == course / "cohort"


@pytest.mark.parametrize("week", ["week12", "13", "spring"])
def test_a_week_that_is_not_there_is_one_sentence(course: Path, week: str) -> None:
    with pytest.raises(CivicmlError, match=r"has not been written yet|There is no week called"):
        lab.plan(week)


def test_a_week_whose_folder_is_missing_is_one_sentence(course: Path) -> None:
    shutil.rmtree(course / "modules" / "week01_workbench")

    with pytest.raises(CivicmlError, match="The folder of week01 is not here"):
        lab.plan("week01")
    with pytest.raises(CivicmlError, match="no week's folder"):
        lab.plan()


def test_a_directory_that_is_no_cohort_is_one_sentence(course: Path) -> None:
    with pytest.raises(CivicmlError, match=r"'modules' is not a cohort: there is no cohort\.toml in it"):
        lab.plan(cohort=Path("modules"))


def test_formgrader_needs_a_cohort_inside_the_course(course: Path, tmp_path: Path) -> None:
    elsewhere = make_cohort(tmp_path / "elsewhere")

    assert lab.plan().formgrader
    assert lab.plan(cohort=Path("cohort")).formgrader
    assert not lab.plan(cohort=elsewhere).formgrader
    (course / "cohort" / "cohort.toml").unlink()
    assert not lab.plan().formgrader


def test_a_learners_kit_has_no_formgrader(course: Path) -> None:
    (course / "kit.toml").touch()

    assert not lab.plan().formgrader


def test_a_learners_jupyterlab_hides_what_instructors_use(course: Path, tmp_path: Path) -> None:
    (course / "kit.toml").touch()
    lab._write_settings(lab.plan(), "secret", tmp_path)

    page = json.loads((tmp_path / "labconfig" / "page_config.json").read_text())["disabledExtensions"]
    server = json.loads((tmp_path / "jupyter_server_config.d" / "civicml.json").read_text())["ServerApp"]
    assert {"@jupyter/nbgrader:formgrader", "@jupyter/nbgrader:create-assignment"} <= page.keys()
    assert "@jupyter/nbgrader:validate-assignment" not in page
    assert server["jpserver_extensions"]["nbgrader.server_extensions.formgrader"] is False
    assert (tmp_path / "server.json").stat().st_mode & 0o077 == 0, "others can read the token"


def test_a_port_in_use_is_passed_over_unless_it_was_named(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(lab, "FIRST_PORT", port)

        assert lab.plan().port > port
        with pytest.raises(CivicmlError, match=f"Port {port} on 127.0.0.1 cannot be used"):
            lab.plan(port=port)
        with pytest.raises(CivicmlError, match=f"Port {port} on 127.0.0.1 cannot be used"):
            lab.plan(mlflow_port=port)


def test_the_two_servers_never_get_the_same_port(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [port] = free_ports(1)
    monkeypatch.setattr(lab, "FIRST_PORT", port)

    assert lab.plan(mlflow_port=port).port != port
    (course / "mlflow").mkdir()
    (course / "mlflow" / "server.toml").write_text(f"port = {port}", encoding="utf-8")
    assert lab.plan(port=port).mlflow_port != port
    with pytest.raises(CivicmlError, match="asked for twice"):
        lab.plan(port=port, mlflow_port=port)


def test_a_tracking_server_that_is_there_already_is_used(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.gov.uk")

    planned = lab.plan()

    assert planned.runs == "https://mlflow.example.gov.uk"
    assert planned.mlflow_port is None


def test_the_command_says_what_is_wrong_in_one_sentence_and_fails(course: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = subprocess.run(
            [sys.executable, "-m", "civicml", "lab", "--port", str(taken.getsockname()[1])],
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(r"civicml: Port \d+ on 127\.0\.0\.1 cannot be used: [^\n]+\n", done.stderr)


# --- what goes wrong after the start ------------------------------------------------------------


def test_a_jupyterlab_that_cannot_start_is_one_sentence(course: Path) -> None:
    planned = lab.plan()
    with (
        socket.create_server(("127.0.0.1", planned.port)),  # taken since
        pytest.raises(CivicmlError, match="JupyterLab could not be started"),
    ):
        lab.run(planned, print, browser=False)


def test_without_its_pages_the_notebooks_work_all_the_same(course: Path) -> None:
    (course / "cohort" / "tracking").mkdir()
    (course / "cohort" / "tracking" / "mlflow.db").write_text("not a database", encoding="utf-8")
    said: list[str] = []

    with lab._mlflow(lab.plan(), said.append):
        pass

    assert len(said) == 1
    assert said[0].startswith("MLflow's pages are not available: The MLflow store")


# --- the real thing -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Running:
    """`civicml lab` as a process, and what it said."""

    process: subprocess.Popen[str]
    root: Path
    said: list[str]

    @property
    def address(self) -> str:
        return self.said[0].split()[-1]

    @property
    def server(self) -> str:
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def token(self) -> str:
        return parse_qs(urlsplit(self.address).query)["token"][0]

    @property
    def mlflow(self) -> str:
        return next(line for line in self.said if line.startswith("Your runs")).split()[-1]

    def get(self, path: str, token: bool = True) -> bytes:
        headers = {"Authorization": f"token {self.token}"} if token else {}
        request = urllib.request.Request(f"{self.server}{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()


@pytest.fixture
def running(course: Path) -> Iterator[Running]:
    command = [sys.executable, "-m", "civicml", "lab", "--no-browser"]
    [port, mlflow_port] = free_ports(2)
    process = subprocess.Popen(
        [*command, "--port", str(port), "--mlflow-port", str(mlflow_port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "JUPYTER_TOKEN": "", "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line.strip())
        if line.startswith("Ctrl-C"):
            break
    try:
        yield Running(process, course, said)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)


def test_a_session_from_start_to_stop(running: Running) -> None:
    assert running.process.poll() is None, running.said
    processes = psutil.Process(running.process.pid).children(recursive=True)

    # the page it opens on, and the week's files
    assert b"JupyterLab" in running.get("/lab/tree/modules/week01_workbench/README.md")
    listed = json.loads(running.get("/api/contents/modules/week01_workbench"))["content"]
    assert {file["name"] for file in listed} == {"README.md", "lab.ipynb", "lesson1_first.ipynb"}

    # a token is needed, though the environment asked for none
    with pytest.raises(urllib.error.HTTPError, match="403"):
        running.get("/api/contents", token=False)

    # only this machine can reach either server
    listening = {
        connection.laddr.ip
        for process in processes
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}

    # Formgrader reads the cohort's configuration, and finds it inside JupyterLab's root
    assert json.loads(running.get("/formgrader/api/assignments"))[0]["name"] == "week01"
    page = running.get("/formgrader/manage_assignments").decode()
    assert "course directory" not in page.lower()
    assert 'url_prefix = "cohort"' in page

    # the cohort is passed on to notebooks, MLflow's pages answer, and a kernel can be started
    body = urllib.request.Request(
        f"{running.server}/api/kernels", method="POST", headers={"Authorization": f"token {running.token}"}
    )
    with urllib.request.urlopen(body, timeout=60) as answer:
        assert answer.status == 201
    kernels = [
        process
        for process in psutil.Process(running.process.pid).children(recursive=True)
        if any("ipykernel" in part for part in process.cmdline())
    ]
    assert len(kernels) == 1
    assert kernels[0].environ()["CIVICML_COHORT"] == str(running.root / "cohort")
    assert kernels[0].environ()["MLFLOW_DISABLE_TELEMETRY"] == "true"
    with urllib.request.urlopen(running.mlflow, timeout=60) as answer:
        assert b"MLflow" in answer.read()
    assert (running.root / "cohort" / "tracking" / "mlflow.db").is_file()

    # Ctrl-C stops both, and the kernel
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(60) == 0
    assert running.process.stdout is not None
    assert running.process.stdout.read() == "Stopping.\n"
    assert [process for process in (*processes, *kernels) if process.is_running()] == []
    assert not list((running.root / "modules").rglob("*.json"))

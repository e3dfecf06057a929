"""Opens JupyterLab on a week's folder, with MLflow's pages beside it, and stops both.

It knows the course's folders and how the two servers are started; it must not know how a
lab is released or graded.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psutil

from civicml import ports, tracking
from civicml.course import Course, Week, load_course
from civicml.errors import CivicmlError

FIRST_PORT = 8888
KIT_FILE = "kit.toml"
COHORT_FILE = "cohort.toml"
_STOP_SECONDS = 15
_LOOK_EVERY = 0.1

# nbgrader's parts of JupyterLab, by the names it gives them in the page and in the server.
_OF_A_COHORT = {
    "formgrader": "formgrader",
    "course-list": "course_list",
    "assignment-list": "assignment_list",
}
_OF_AN_AUTHOR = ("create-assignment", "menu")

Say = Callable[[str], None]
"""Told one line for the person at the terminal."""


@dataclass(frozen=True)
class Lab:
    """What is opened: worked out before anything is started.

    Attributes:
        course: the course whose root JupyterLab shows.
        week: the week whose folder it opens on.
        cohort: the cohort that Formgrader and tracking use, if there is one.
        port: where JupyterLab listens.
        runs: where the learner's runs can be seen.
        mlflow_port: where MLflow's pages are to be served; None when runs go to a server already.
    """

    course: Course
    week: Week
    cohort: Path | None
    port: int
    runs: str
    mlflow_port: int | None

    @property
    def path(self) -> str:
        """The address JupyterLab opens on, below its root: the week's page, in the week's folder."""
        folder = self.course.folder(self.week)
        page = folder / "README.md"
        return "/lab/tree/" + (page if page.is_file() else folder).relative_to(self.course.root).as_posix()

    @property
    def is_kit(self) -> bool:
        """Whether this is a learner's kit, which has no instructor's tools."""
        return (self.course.root / KIT_FILE).is_file()

    @property
    def formgrader(self) -> bool:
        """Whether Formgrader can work: it reads files through JupyterLab, so the cohort must lie in it."""
        return self.cohort is not None and self.cohort.is_relative_to(self.course.root) and not self.is_kit


def plan(
    week: str | None = None,
    *,
    cohort: Path | None = None,
    port: int | None = None,
    mlflow_port: int | None = None,
) -> Lab:
    """Work out what to open.

    Args:
        week: the week to open on; the first one, or a kit's newest, when not given.
        cohort: a cohort's directory; the course's own folder ``cohort``, if it is one, when not given.
        port: JupyterLab's port; the next free one from 8888 on when not given.
        mlflow_port: the port of MLflow's pages; the next free one when not given.

    Raises:
        CivicmlError: there is no such week or cohort, or a port that was named is taken.
    """
    course = load_course()
    course = course.model_copy(update={"root": course.root.resolve()})
    chosen = course.week(week) if week else _default_week(course)
    if not course.folder(chosen).is_dir():
        raise CivicmlError(
            f"The folder of {chosen.name} is not here: '{course.folder(chosen)}' does not exist."
        )
    found = _cohort(course, cohort)
    port = ports.choose(port, FIRST_PORT, avoid=mlflow_port)
    address = os.environ.get("MLFLOW_TRACKING_URI", "")
    if address.startswith(("http://", "https://")):
        return Lab(course, chosen, found, port, address, None)
    settings = tracking.read_settings(course.root)
    mlflow_port = ports.choose(mlflow_port, settings.port, settings.host, avoid=port)
    return Lab(course, chosen, found, port, f"http://{settings.host}:{mlflow_port}", mlflow_port)


def _default_week(course: Course) -> Week:
    here = [week for week in course.written_weeks if course.folder(week).is_dir()]
    if not here:
        raise CivicmlError(f"There is no week's folder in '{course.root / 'modules'}' to open.")
    return here[-1] if (course.root / KIT_FILE).is_file() else here[0]


def _cohort(course: Course, named: Path | None) -> Path | None:
    if named is None:
        usual = course.root / "cohort"
        return usual if (usual / COHORT_FILE).is_file() else None
    folder = named.expanduser().resolve()
    if not (folder / COHORT_FILE).is_file():
        raise CivicmlError(f"'{named}' is not a cohort: there is no {COHORT_FILE} in it.")
    return folder


def run(lab: Lab, say: Say, browser: bool = True) -> None:
    """Open JupyterLab and MLflow's pages, and keep them open until the person stops this process.

    MLflow is started once JupyterLab answers, so that its slower start delays nobody. When this
    returns or raises, neither is running any more.

    Args:
        lab: what to open.
        say: told each line for the person at the terminal.
        browser: open the person's web browser on JupyterLab.

    Raises:
        CivicmlError: JupyterLab could not be started, or stopped by itself.
    """
    token = secrets.token_hex(24)
    with tempfile.TemporaryDirectory(prefix="civicml-lab-") as folder, _stopped_in_order():
        settings = Path(folder)
        _write_settings(lab, token, settings)
        log = (lab.cohort / "logs" if lab.cohort else settings) / "jupyterlab.log"
        if not os.access(log.parent, os.W_OK):
            log = settings / log.name
        jupyter = _start_jupyter(lab, settings, log)
        try:
            _wait_until(lambda: _answers(f"http://{ports.LOOPBACK}:{lab.port}/api", jupyter, log))
            address = f"http://{ports.LOOPBACK}:{lab.port}{lab.path}?token={token}"
            say(f"JupyterLab, on {lab.week.name}: {address}")
            _say_what_else(lab, say)
            if browser:
                webbrowser.open(address)
            with _mlflow(lab, say):
                status = jupyter.wait()
            raise CivicmlError(f"JupyterLab has stopped by itself (exit status {status}).{_last_words(log)}")
        except _Stop:
            say("Stopping.")
        finally:
            _stop_with_children(jupyter)


class _Stop(Exception):  # noqa: N818 (a request, not an error)
    """The person, or the system, asked this process to stop."""


@contextmanager
def _stopped_in_order() -> Iterator[None]:
    """Turn the first signal to stop into `_Stop`, and leave the rest until everything has stopped."""
    signals = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

    def stop(number: int, frame: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise _Stop

    before = {each: signal.signal(each, stop) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def _mlflow(lab: Lab, say: Say) -> Iterator[None]:
    """MLflow's pages for the length of a block; without them the notebooks work all the same."""
    if lab.mlflow_port is None:
        say(f"Your runs: {lab.runs}")
        yield
        return
    try:
        server = tracking.serve(
            _tracking_folder(lab), lab.mlflow_port, tracking.read_settings(lab.course.root)
        )
    except CivicmlError as error:
        say(f"MLflow's pages are not available: {error}")
        yield
        return
    with server:
        try:
            _wait_until(server.is_ready)
            say(f"Your runs, in MLflow: {server.url}")
        except CivicmlError as error:
            say(f"MLflow's pages are not available: {error}")
        say("Ctrl-C stops both.")
        yield


def _tracking_folder(lab: Lab) -> Path | None:
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return None  # tracking finds it there
    if lab.cohort is not None:
        return lab.cohort / "tracking"
    return lab.course.root / "tracking" if lab.is_kit else None


def _say_what_else(lab: Lab, say: Say) -> None:
    if lab.formgrader:
        say(f"Formgrader: choose Nbgrader → Formgrader in the menu; it shows the cohort in '{lab.cohort}'.")
    elif lab.cohort is not None and not lab.is_kit:
        say(
            f"Formgrader cannot show the cohort in '{lab.cohort}': it must lie inside the course's folder, "
            f"'{lab.course.root}'. Everything else works."
        )


# --- JupyterLab -----------------------------------------------------------------------------------


def _write_settings(lab: Lab, token: str, folder: Path) -> None:
    """Write what JupyterLab reads at its start, for this session only.

    The token is written to a file because a command line can be read by everyone on the machine.
    """
    of_a_cohort = {} if lab.formgrader else _OF_A_COHORT
    hidden = (*of_a_cohort, *(_OF_AN_AUTHOR if lab.is_kit else ()))
    server = {
        "ServerApp": {
            "root_dir": str(lab.course.root),
            "ip": ports.LOOPBACK,
            "port": lab.port,
            "port_retries": 0,
            "open_browser": False,
            # Containers run as root; what protects the server is the loopback address and the token.
            "allow_root": True,
        },
        "IdentityProvider": {"token": token},
        # Otherwise its first page shows the whole configuration, and the token in it.
        "FormgradeExtension": {"debug": False},
        "LabApp": {"default_url": lab.path, "news_url": None, "extension_manager": "readonly"},
    }
    extensions = {f"nbgrader.server_extensions.{name}": False for name in of_a_cohort.values()}
    page = {"disabledExtensions": {f"@jupyter/nbgrader:{name}": True for name in hidden}}
    runs = {
        "command": "help:open",
        "args": {"url": lab.runs, "text": "My runs (MLflow)", "newBrowserTab": True},
    }
    overrides = {
        "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
        "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}},
        "@jupyterlab/mainmenu-extension:plugin": {
            "menus": [{"id": "jp-mainmenu-civicml", "label": "Course", "rank": 900, "items": [runs]}]
        },
    }
    for name, content in {
        "server.json": server,
        "jupyter_server_config.d/civicml.json": {"ServerApp": {"jpserver_extensions": extensions}},
        "labconfig/page_config.json": page,
        "labconfig/default_setting_overrides.json": overrides,
    }.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(json.dumps(content, indent=2), encoding="utf-8")


def _start_jupyter(lab: Lab, settings: Path, log: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        # so that `civicml` and `nbgrader` are found in JupyterLab's terminals
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "JUPYTER_CONFIG_PATH": os.pathsep.join(
            [
                str(settings),
                *([str(lab.cohort)] if lab.formgrader else []),  # nbgrader_config.py is found there
                *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")]),
            ]
        ),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **({"CIVICML_COHORT": str(lab.cohort)} if lab.cohort else {}),
    }
    for name in ("JUPYTER_TOKEN", "JUPYTER_TOKEN_FILE", "JPY_PARENT_PID"):
        environment.pop(name, None)
    # Its own session: Ctrl-C reaches this process alone, which then stops JupyterLab in order.
    # Its own folder: nbgrader puts the working directory on the import path, and a course has a folder
    # called 'datasets'.
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "jupyterlab", f"--config={settings / 'server.json'}"],
            env=environment,
            cwd=settings,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _answers(address: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    if process.poll() is not None:
        raise CivicmlError(f"JupyterLab could not be started.{_last_words(log)}")
    try:
        with urllib.request.urlopen(address, timeout=2):  # noqa: S310 (our own http address)
            return True
    except (urllib.error.URLError, OSError):
        return False


def _last_words(log: Path) -> str:
    try:
        lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return ""
    lines = [line for line in lines if line]
    return f" The last it said: {lines[-1]}" if lines else ""


def _wait_until(ready: Callable[[], bool]) -> None:
    while not ready():
        time.sleep(_LOOK_EVERY)


def _stop_with_children(process: subprocess.Popen[bytes]) -> None:
    """Stop JupyterLab, and whatever kernels and terminals it did not stop itself."""
    try:
        children = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        children = []
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    _, left = psutil.wait_procs(children, timeout=1)
    for child in left:
        child.kill()
    psutil.wait_procs(left, timeout=_STOP_SECONDS)

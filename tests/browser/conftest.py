"""A course of its own in a temporary directory, a small cohort in it, `civicml lab` on it, and a browser."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from civicml import tracking
from civicml.assignment import read_notebook, solution_cells
from civicml.cohort import Cohort, Learner, grade, init, release, submit

REPOSITORY = Path(__file__).parents[2]
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


# --- the browser --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium() -> str:
    """The system's Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CIVICML_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        reason = f"no browser: none of {', '.join(names)} is installed; name one in CIVICML_CHROMIUM"
        if os.environ.get("CIVICML_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def context(chromium: str, lab: "Lab"):
    """One browsing session, in which the person has followed the address that `civicml lab` printed."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        session = browser.new_context(viewport={"width": 1400, "height": 900})
        session.set_default_timeout(60_000)
        asked: set[str] = set()
        session.on("request", lambda request: asked.add(urlsplit(request.url).hostname or ""))
        session.hosts = asked
        yield session
        browser.close()


@pytest.fixture(scope="module")
def learners_page(context, lab: "Lab"):
    """JupyterLab as it first appears. Formgrader hangs in a session that has not been here before."""
    page = context.new_page()
    page.goto(lab.address)
    page.wait_for_selector(".jp-DirListing-item")
    return page


@pytest.fixture(scope="module")
def artefacts() -> Path:
    """Where screenshots are kept for people to look at."""
    usual = Path(tempfile.gettempdir(), "civicml-screenshots")
    folder = Path(os.environ.get("CIVICML_SCREENSHOTS") or usual)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


# --- the course and its cohort ------------------------------------------------------------------


def marked(cell, name: str, **flags):
    marking = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    cell.metadata["nbgrader"] = {**marking, "grade_id": name, **flags}
    return cell


def small_lab():
    """Two questions that take a second to grade: 6 points of code and 4 of prose."""
    solution = "def total(values):\n    ### BEGIN SOLUTION\n    return sum(values)\n    ### END SOLUTION"
    return new_notebook(
        cells=[
            new_markdown_cell("# A small lab"),
            marked(new_code_cell(solution), "q1", solution=True),
            marked(
                new_code_cell("assert total([1, 2]) == 3, '1 and 2 are 3'"),
                "q1_test",
                grade=True,
                locked=True,
                points=6,
            ),
            marked(new_markdown_cell("A memo."), "q2", grade=True, solution=True, points=4),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's lessons, with a small lab in place of the real one so that grading takes seconds."""
    root = tmp_path_factory.mktemp("browser") / "course"
    for name in ("modules", "course", "mlflow"):
        shutil.copytree(REPOSITORY / name, root / name)
    (root / "autograder").mkdir()
    shutil.copy(REPOSITORY / "autograder" / "nbgrader_config.py", root / "autograder")
    plan = root / "course" / "course.toml"
    # the small lab needs no data, so no sealed tables have to be built for the cohort
    plan.write_text(re.sub(r"(?m)^datasets = \[.*?\]", "datasets = []", plan.read_text(), flags=re.DOTALL))
    [week] = (root / "modules").glob("week01_*")
    nbformat.write(small_lab(), week / "lab.ipynb")
    return root


@pytest.fixture(scope="module")
def cohort(course: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cohort]:
    """Ana answered, Ben handed in what he was given; both are graded, and Ana has logged a run."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "JUPYTERHUB_USER"):
            patch.delenv(name, raising=False)
        for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
            patch.setenv(f"JUPYTER_{name}", str(home / name.lower()))
        patch.setenv("CIVICML_COURSE", str(course))
        patch.setenv("CIVICML_COHORT", str(course / "cohort"))
        patch.setenv("CIVICML_LEARNER", "ana")
        made = init(
            course / "cohort", learners=[Learner("ana", "Ana", "Archer"), Learner("ben", "Ben", "Baker")]
        )
        week = made.course.week("week01")
        release(made, week)
        submit(made, week, "ana", answered(made, home / "ana"))
        submit(made, week, "ben", made.notebook("release", week))
        grade(made, week)
        with tracking.start("week01", run_name="rule of thumb"):
            mlflow.log_metric("found_in_forty", 3.8)
        yield made


def answered(cohort: Cohort, folder: Path) -> Path:
    """The released lab with the right answers in it."""
    week = cohort.course.week("week01")
    answers = dict(solution_cells(read_notebook(cohort.course.folder(week) / "lab.ipynb")))
    notebook = read_notebook(cohort.notebook("release", week))
    for name, (_, cell) in solution_cells(notebook):
        lines = answers[name][1].source.splitlines()
        cell.source = "\n".join(line for line in lines if "###" not in line)
    folder.mkdir()
    nbformat.write(notebook, folder / "lab.ipynb")
    return folder / "lab.ipynb"


# --- civicml lab --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lab:
    """What `civicml lab` printed."""

    address: str
    mlflow: str

    @property
    def server(self) -> str:
        return self.address.partition("/lab")[0]


@pytest.fixture(scope="module")
def lab(cohort: Cohort) -> Iterator[Lab]:
    process = subprocess.Popen(
        [sys.executable, "-m", "civicml", "lab", "--no-browser"],
        cwd=cohort.course.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line.strip())
            if line.startswith("Ctrl-C"):
                break
        addresses = {line.split(":")[0]: line.split()[-1] for line in said}
        yield Lab(addresses["JupyterLab, on week01"], addresses["Your runs, in MLflow"])
    finally:
        process.terminate()
        process.wait(60)

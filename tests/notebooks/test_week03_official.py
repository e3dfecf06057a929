"""Week 3 on files of data.police.uk: its lessons run, say what such files lack, and change nothing else."""

import csv
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from civicml.autograder.settings import environment
from civicml.course import load_course
from civicml.datasets import use_official

from .conftest import shared_state

COURSE = load_course(Path(__file__).parents[2])
WEEK = COURSE.week("week03")

HEADER = [
    "Type", "Date", "Part of a policing operation", "Policing operation", "Latitude", "Longitude", "Gender",
    "Age range", "Self-defined ethnicity", "Officer-defined ethnicity", "Legislation", "Object of search",
    "Outcome", "Outcome linked to object of search", "Removal of more than just outer clothing",
]  # fmt: skip
# A made-up force in two made-up months: eight people, two of them women and three without a gender; one car.
SEARCHED = [
    ("2021-06", ["Person search", "Female", "18-24"]),
    ("2021-06", ["Person search", "Male", "over 34"]),
    ("2021-06", ["Person and Vehicle search", "", ""]),
    ("2021-06", ["Vehicle search", "", ""]),
    ("2021-07", ["Person search", "Male", "25-34"]),
    ("2021-07", ["Person search", "Male", ""]),
    ("2021-07", ["Person search", "", "10-17"]),
    ("2021-07", ["Person search", "Female", "18-24"]),
    ("2021-07", ["Person search", "", "18-24"]),
]


def official_files(folder: Path) -> list[Path]:
    """A file for each month; the second has lost its name, and with it the name of its force."""
    paths = []
    for month, name in {"2021-06": "2021-06-larkmoor-stop-and-search.csv", "2021-07": "download.csv"}.items():
        path = folder / name
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(HEADER)
            for hour, (kind, gender, age) in enumerate(who for when, who in SEARCHED if when == month):
                moment, why = f"{month}-12T{hour:02}:30:00+00:00", "Misuse of Drugs Act 1971 (section 23)"
                outcome = "A no further action disposal"
                about = [kind, moment, "False", "", "", "", gender, age, "", "", why, "Controlled drugs"]
                rows.writerow([*about, outcome, "", "False"])
        paths.append(path)
    return paths


@pytest.fixture(scope="module")
def with_official_files(request, tmp_path_factory):
    """Variables of a machine on which the files are in use."""
    place = tmp_path_factory.mktemp("official")
    shutil.copytree(shared_state(request.config, WEEK) / "cache", place / "cache")
    variables = {
        "CIVICML_COURSE": str(COURSE.root),
        "CIVICML_CACHE": str(place / "cache"),
        "IPYTHONDIR": str(place / "ipython"),
        "OMP_NUM_THREADS": "1",
    }
    with environment(variables):
        use_official("stop_search", official_files(place))
        yield place


def printed(cell) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def stored_and_run(lesson: str, place: Path):
    """Each cell of the lesson that prints: what is stored, and what it prints on this machine."""
    path = COURSE.folder(WEEK) / lesson
    stored, notebook = nbformat.read(path, as_version=4), nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(place)}}).execute(
        stderr=subprocess.DEVNULL
    )
    pairs = zip(stored.cells, notebook.cells, strict=True)
    return [(printed(before), printed(after)) for before, after in pairs if before.cell_type == "code"]


def test_lesson_3_says_what_the_files_can_and_cannot_tell_then_teaches_as_ever(with_official_files):
    (first, first_here), *others = stored_and_run("lesson3_missing.ipynb", with_official_files)
    assert "2 to 5 of its 8 people are women" in first_here
    assert "'Gender': 37.5" in first_here
    assert "It has no review to narrow that" in first_here
    assert first_here.endswith(first)
    assert [here for _, here in others] == [before for before, _ in others]


def test_lesson_1_tries_its_contract_on_the_files(with_official_files):
    *_, (stored, here) = stored_and_run("lesson1_contracts.ipynb", with_official_files)
    assert "of 24 months refused" in stored
    # In either month one of the two, the force or the file that names none, sent nothing.
    assert here.count("2 of 2 months refused") == 3

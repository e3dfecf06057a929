"""The kit is opened and searched: what a learner receives is in it, and nothing else."""

import json
import re
import tomllib
import zipfile
from pathlib import Path

import nbformat
import pandas as pd
import pyarrow.parquet as pq
import pytest
from packaging.utils import canonicalize_name

from civicml.assignment import CODE_STUB, marking_of, read_notebook
from civicml.autograder.hidden import hidden_lines, secret_lines, shows, squeeze
from civicml.cohort import Cohort
from civicml.datasets import load, load_raw
from civicml.datasets.catalogue import find_dataset
from civicml.datasets.tables import read_tables

REPOSITORY = Path(__file__).parents[2]
WEEK = "modules/week01_workbench"
DOMAINS = ("health", "justice", "transport")
OTHERS = ("reoffending", "bus_network")
ANSWERS = REPOSITORY / "autograder" / "answers" / "week01"


def strings(value: object):
    """Every string in nested JSON, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from strings(inner)
    elif isinstance(value, list):
        yield "".join(item for item in value if isinstance(item, str))  # a source, kept as lines
        for inner in value:
            yield from strings(inner)


def read(name: str, content: bytes, path: Path | None = None) -> str:
    """All text in a file, whatever it is: a notebook's cells, outputs and metadata, a table's values."""
    if name.endswith(".ipynb"):
        return "\n".join(strings(json.loads(content)))
    if name.endswith(".parquet"):
        table = pq.read_table(path)
        words = [str(part) for part in (table.schema.metadata or {}).items()]
        for column in table.column_names:
            words += [column, *map(str, table.column(column).unique().to_pylist())]
        return "\n".join(words)
    return content.decode("utf-8")


@pytest.fixture(scope="session")
def texts(made) -> dict[str, str]:
    """The kit's files by name, and those inside the wheel, as text."""
    found = {}
    for path in sorted(made.folder.rglob("*")):
        name = path.relative_to(made.folder).as_posix()
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                found |= {f"{name}/{one}": read(one, wheel.read(one)) for one in wheel.namelist()}
        elif path.is_file():
            found[name] = read(name, path.read_bytes(), path)
    return found


def published(dataset: str) -> set[str]:
    return {f"{table}.parquet" for table in find_dataset(dataset).schema.tables}


def lessons(name: str) -> bool:
    """Lessons are public, folded solutions of their exercises and all."""
    return Path(name).name.startswith("lesson")


# --- what is in it ------------------------------------------------------------------------------


def test_the_kit_holds_these_files_and_no_others(made, texts) -> None:
    [wheel] = made.folder.glob("*.whl")
    outside = {name for name in texts if not name.startswith(wheel.name)}

    lesson_names = {path.name for path in (REPOSITORY / WEEK).glob("lesson*.ipynb")}
    tables = {"appointments.parquet", "patients.parquet", "daily_counts.parquet"}
    beside = {"schema.toml", "datasheet.md", "official.py", "picture.py", "checksums.toml"}
    assert len(lesson_names) == 3
    assert outside == {
        "README.md", "kit.toml", "requirements.lock", "course/course.toml",
        f"{WEEK}/README.md", f"{WEEK}/lab.ipynb",
        *(f"{WEEK}/{name}" for name in lesson_names),
        *(f"data/gp_appointments/{name}" for name in tables | beside),
        "course/capstones/README.md",
        *(f"course/capstones/{domain}/{name}" for domain in DOMAINS for name in ("brief.toml", "frame.py")),
        # the briefs' other tables; of neither does the source publish a file to read
        *(f"data/{one}/{name}" for one in OTHERS for name in beside - {"official.py"} | published(one)),
    }  # fmt: skip
    assert made.kit.files == len(outside) + 1


def test_the_wheel_holds_the_engine_and_nothing_else(made) -> None:
    [path] = made.folder.glob("*.whl")
    source = REPOSITORY / "src"
    with zipfile.ZipFile(path) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        engine = {
            file.relative_to(source).as_posix()
            for file in (source / "civicml").rglob("*")
            if file.is_file() and "__pycache__" not in file.parts
        }
        assert names == engine
        assert all(wheel.read(name) == (source / name).read_bytes() for name in names)


def test_it_says_whose_it_is(made, cohort: Cohort) -> None:
    facts = tomllib.loads((made.folder / "kit.toml").read_text(encoding="utf-8"))

    assert facts["cohort"] == "Spring in Leeds"
    assert facts["start"] == cohort.start
    assert facts["weeks"] == ["week01"]
    assert "cohort_directory" not in facts


def test_the_page_of_a_week_loses_its_notes_for_instructors_and_nothing_else(made, texts) -> None:
    original = (REPOSITORY / WEEK / "README.md").read_text(encoding="utf-8")
    kept, _, notes = original.partition("\n## For instructors\n")

    assert notes, "the week's page has no notes for instructors to leave out"
    text = texts[f"{WEEK}/README.md"]
    assert text.startswith(kept.rstrip())
    assert "For instructors" not in text
    for line in filter(None, map(str.strip, notes.split("\n## ")[0].splitlines())):
        assert len(line) < 30 or line not in text


def test_lessons_come_executed_as_they_are(made) -> None:
    for path in (REPOSITORY / WEEK).glob("lesson*.ipynb"):
        assert (made.folder / WEEK / path.name).read_bytes() == path.read_bytes()


def test_the_lab_is_the_student_version_with_nothing_run_and_nothing_answered(made) -> None:
    lab = read_notebook(made.folder / WEEK / "lab.ipynb")
    instructors = read_notebook(REPOSITORY / WEEK / "lab.ipynb")

    cells = [cell for cell in lab.cells if marking_of(cell).get("solution") and cell.cell_type == "code"]
    assert len(cells) >= 8
    for cell in cells:
        assert "NotImplementedError" in cell.source or CODE_STUB in cell.source
    assert all(not cell.outputs and cell.execution_count is None for cell in lab.cells if "outputs" in cell)
    assert [marking_of(cell) and marking_of(cell)["grade_id"] for cell in lab.cells] == [
        marking_of(cell) and marking_of(cell)["grade_id"] for cell in instructors.cells
    ]


def test_the_tables_are_the_published_ones(made, cohort: Cohort) -> None:
    published = load("gp_appointments")

    for table in published:
        there = pq.read_table(made.folder / "data" / "gp_appointments" / f"{table}.parquet")
        assert there.num_rows == len(published[table])
        assert there.column_names == list(published[table].columns)


# --- what is not in it --------------------------------------------------------------------------


def telling(lines) -> set[str]:
    """Lines long enough that finding them elsewhere is no accident; anybody may import what they like."""
    return {line for line in lines if len(line) >= 24 and not line.startswith(("from", "import"))}


def test_no_line_of_a_solution_or_a_rubric_is_in_it(texts) -> None:
    every = secret_lines(read_notebook(REPOSITORY / WEEK / "lab.ipynb"))
    long = telling(every)
    assert len(long) > 100

    for name, text in texts.items():
        if not lessons(name):
            assert not shows(text, long if ".whl/" in name else every), f"{name} shows a line of a solution"


def test_no_line_of_a_hidden_test_is_in_it_nor_in_a_lesson(texts) -> None:
    hidden = telling(hidden_lines(read_notebook(REPOSITORY / WEEK / "lab.ipynb")))
    assert len(hidden) > 50

    assert [name for name, text in texts.items() if shows(text, hidden)] == []


def test_no_marker_of_a_solution_is_in_a_notebook(texts) -> None:
    notebooks = {name: text for name, text in texts.items() if name.endswith(".ipynb")}

    for marker in ("BEGIN SOLUTION", "BEGIN HIDDEN TESTS", "BEGIN MARK SCHEME"):
        assert [name for name, text in notebooks.items() if marker in text] == []


def test_no_answer_of_the_answer_bank_is_in_it(texts) -> None:
    searched = {name: squeeze(text) for name, text in texts.items() if not lessons(name)}
    answers = sorted(path for path in ANSWERS.rglob("*") if path.suffix in (".py", ".md"))
    assert len(answers) > 40

    for path in answers:
        text = path.read_text(encoding="utf-8")
        heading = "\n".join(line for line in text.splitlines() if re.match(r"# (why|loses):", line))
        body = "\n".join(line for line in text.splitlines() if not line.startswith("# "))
        for what in (squeeze(heading), squeeze(body)):
            found = [name for name, kept in searched.items() if len(what) > 40 and what in kept]
            assert found == [], f"{path.relative_to(ANSWERS)} is in the kit"


def test_nothing_of_the_recipe_or_of_what_was_planted_is_in_it(texts) -> None:
    folder = REPOSITORY / "datasets" / "health" / "gp_appointments"
    engine = "\n".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "src").rglob("*.py"))
    given = [(folder / name).read_text(encoding="utf-8") for name in ("schema.toml", "official.py")]
    common = squeeze(engine + "".join(given))
    for source in ("recipe.py", "truth.toml"):
        lines = [squeeze(line) for line in (folder / source).read_text(encoding="utf-8").splitlines()]
        planted = {line for line in lines if len(line) > 30 and line not in common}
        assert len(planted) > 20

        # A lesson, a picture or a brief's table may have a line that the recipe has too: how it draws, when
        # bank holidays are. What was planted is in none of them.
        drawn = {name for name in texts if lessons(name) or name.endswith(("/picture.py", "/frame.py"))}
        searched = [name for name in texts if source == "truth.toml" or name not in drawn]
        assert [name for name in searched if shows(texts[name], planted)] == []


def test_no_identifiable_person_is_in_it(made, texts, cohort: Cohort) -> None:
    raw = load_raw("gp_appointments")
    tables = {path.stem: pd.read_parquet(path) for path in made.folder.rglob("*.parquet")}

    columns = {column for table in tables.values() for column in table.columns}
    only_raw = {column for table in raw.values() for column in table.columns} - columns
    assert {"nhs_number", "given_name", "family_name", "date_of_birth", "postcode"} <= only_raw
    assert not {"patient_number", "appointment_number"} & columns
    people = raw["patients"]
    values = {str(value) for table in tables.values() for c in table.columns for value in table[c].unique()}
    for column in ("nhs_number", "given_name", "family_name", "postcode"):
        assert not values & set(people[column].astype(str)), f"a {column} is in the published tables"
    numbers = re.compile("|".join(people["nhs_number"].astype(str).head(2000)))
    for name, text in texts.items():
        if not name.endswith(".parquet"):
            assert numbers.search(text) is None, f"an NHS number is in {name}"


def test_no_sealed_row_is_in_it(made, cohort: Cohort) -> None:
    schema = find_dataset("gp_appointments").schema
    sealed = read_tables(made.cohort / "sealed" / "gp_appointments", schema, "sealed")
    published = read_tables(made.folder / "data" / "gp_appointments", schema, "published")

    def shared(table: str) -> int:
        return len(sealed[table].merge(published[table], how="inner"))

    assert len(sealed.appointments) > 100_000
    assert shared("appointments") == 0
    # Both number their patients alike; a patient is four small facts, so that a few agree by chance.
    assert shared("patients") < 0.005 * len(sealed.patients)


def test_nothing_of_the_cohort_or_of_this_machine_is_in_it(made, texts) -> None:
    secret = tomllib.loads((made.cohort / "secrets.toml").read_text(encoding="utf-8"))["sealed_seed"]
    private = [secret, "Anahera", "Archerova", "anahera@example.org", "Benedikt", "Bakewell"]
    places = [str(REPOSITORY), str(made.cohort.parent), str(Path.home()) + "/"]

    for name, text in texts.items():
        for word in private + places:
            assert word not in text, f"'{word}' is in {name}"


# --- what it needs ------------------------------------------------------------------------------


def locked(made) -> dict[str, str]:
    lines = (made.folder / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(name): pin for name, _, pin in (line.partition("==") for line in lines) if pin}


def test_the_lock_holds_the_tested_versions_and_the_wheel(made) -> None:
    tested = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8").splitlines()
    [wheel] = made.folder.glob("*.whl")
    lines = (made.folder / "requirements.lock").read_text(encoding="utf-8").splitlines()

    assert lines[-1] == f"./{wheel.name}"
    assert set(lines[:-1]) < set(tested)
    assert {"jupyterlab", "nbgrader", "mlflow", "pandas", "scikit-learn"} <= locked(made).keys()
    assert not {"mypy", "playwright", "hatchling", "ruff"} & locked(made).keys(), (
        "tools of the engine's makers"
    )


def test_the_lock_has_every_package_that_the_notebooks_use(made) -> None:
    from importlib.metadata import packages_distributions

    distributions = packages_distributions()
    for path in sorted((made.folder / "modules").rglob("*.ipynb")):
        source = "\n".join(c.source for c in nbformat.read(path, 4).cells if c.cell_type == "code")
        used = set(re.findall(r"^\s*(?:import|from) (\w+)|-m (\w+)", source, flags=re.MULTILINE))
        for module in {one or other for one, other in used}:
            needed = {canonicalize_name(name) for name in distributions.get(module, [])} - {"civicml"}
            assert not needed or needed & locked(made).keys(), (
                f"{path.name} uses {module}, which is not installed"
            )

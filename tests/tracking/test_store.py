"""Where the store is, and how it is made ready."""

import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import mlflow
import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from civicml import tracking
from civicml.errors import CivicmlError
from civicml.tracking import store as store_module
from civicml.tracking.schema import migrated_schema
from civicml.tracking.store import find_store, kept_schema, migrate, prepare_store, schema_fits


def database_of(uri: str) -> Path:
    return Path(uri.removeprefix("sqlite:///"))


# --- the kept schema ----------------------------------------------------------------------------


def clauses(schema: str) -> list[str]:
    """The schema's lines in sorted order: the migrations write a table's constraints in any order."""
    return sorted(line.strip().rstrip(",") for line in schema.splitlines())


def test_the_kept_schema_is_what_the_installed_mlflow_migrates_to() -> None:
    assert clauses(kept_schema()) == clauses(migrated_schema()), "run: python -m civicml.tracking.schema"


def test_a_prepared_store_holds_what_mlflow_would_have_put_there(tmp_path: Path) -> None:
    ours = database_of(prepare_store(tmp_path / "ours"))
    theirs = tmp_path / "theirs.db"
    migrate(theirs)
    SqlAlchemyStore(f"sqlite:///{theirs}", str(tmp_path / "artifacts"))._dispose_engine()

    def content(database: Path) -> dict[str, list[tuple[object, ...]]]:
        with closing(sqlite3.connect(database)) as connection:
            tables = [
                name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
            ]
            rows = {table: connection.execute(f'SELECT * FROM "{table}"').fetchall() for table in tables}
        # where it is and when it was made differ, and may
        rows["experiments"] = [(*row[:2], row[3], *row[6:]) for row in rows["experiments"]]
        return rows

    assert content(ours) == content(theirs)
    assert content(ours)["experiments"]


def test_a_schema_of_another_mlflow_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = kept_schema().replace(kept_schema().splitlines()[0], "-- MLflow 3.0.0, revision 0123456789ab")
    assert not schema_fits(other)

    monkeypatch.setattr(store_module, "kept_schema", lambda: other)
    uri = prepare_store(tmp_path / "tracking")

    mlflow.set_tracking_uri(uri)
    assert [found.name for found in mlflow.search_experiments()] == ["Default"]
    os.environ.pop("MLFLOW_TRACKING_URI")


def test_a_schema_of_a_newer_mlflow_with_the_same_revision_is_used() -> None:
    from importlib.metadata import version

    assert schema_fits(kept_schema().replace(f"MLflow {version('mlflow')}", "MLflow 3.99.0", 1))


# --- preparing ----------------------------------------------------------------------------------


def test_preparing_twice_keeps_what_is_there(cohort: Path) -> None:
    with tracking.start("week01", run_name="kept"):
        pass

    prepare_store(cohort / "tracking")

    assert tracking.runs()["run_name"].tolist() == ["kept"]


def test_a_folder_with_blanks_and_signs_in_its_name_works(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = prepare_store(tmp_path / "my runs, 100% + é")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)

    with tracking.start("week01", run_name="here"):
        mlflow.log_text("hello", "note.txt")

    assert tracking.runs()["run_name"].tolist() == ["here"]
    assert list((tmp_path / "my runs, 100% + é").rglob("note.txt"))


def at_once(code: str, learners: list[str]) -> list[str]:
    """What each process says that runs `code`, all of them let go at the same moment."""
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"from civicml import tracking\nprint('ready', flush=True)\ninput()\n{code}",
            ],
            env={**os.environ, "CIVICML_LEARNER": learner},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for learner in learners
    ]
    for process in processes:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    return [process.communicate()[0] for process in processes]


def test_notebooks_that_start_at_once_on_a_fresh_store_all_get_their_run(cohort: Path) -> None:
    said = at_once("import mlflow\nwith tracking.start('week01'): pass", ["ana", "ana"])

    assert said == ["", ""], "started quietly, and without an error"
    assert tracking.runs()["learner"].tolist() == ["ana", "ana"]


def test_processes_that_make_a_store_ready_at_once_make_one_store(cohort: Path) -> None:
    write = """
import os, sqlite3
database = tracking.find_store().uri.removeprefix("sqlite:///")
with sqlite3.connect(database, timeout=20) as connection:
    connection.execute("INSERT INTO experiments (name) VALUES (?)", (os.environ["CIVICML_LEARNER"],))
"""
    learners = [f"learner{number}" for number in range(6)]
    assert at_once(write, learners) == [""] * 6

    with closing(sqlite3.connect(cohort / "tracking" / "mlflow.db")) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM experiments ORDER BY name")]
    assert names == ["Default", *learners], "what one process wrote, another's new store swept away"


# --- what can be wrong with the place -----------------------------------------------------------


@contextmanager
def written_by_nobody(folder: Path) -> Iterator[None]:
    """Nobody may write in `folder`: its owner's own right is taken, and root becomes another user."""
    paths = [folder, *folder.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for path in paths:
            path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that another user can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_read_only_place_for_a_new_store_is_one_sentence(open_folder: Path) -> None:
    with (
        written_by_nobody(open_folder),
        pytest.raises(CivicmlError, match="cannot be made: Permission denied"),
    ):
        prepare_store(open_folder / "tracking")


def test_a_read_only_store_is_one_sentence(
    cohort: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", prepare_store(open_folder))

    with written_by_nobody(open_folder), pytest.raises(CivicmlError) as caught:
        tracking.start("week01")

    assert "cannot be used: attempt to write a readonly database" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_made(tmp_path: Path) -> None:
    folder = tmp_path / "tracking"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))  # the store needs four times that
    try:
        with pytest.raises(CivicmlError, match=r"cannot be used: (disk I/O error|database or disk is full)"):
            prepare_store(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert {path.name for path in folder.iterdir()} <= {".mlflow.db.lock"}
    prepare_store(folder)


def test_a_file_where_the_folder_should_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "tracking").write_text("not a folder", encoding="utf-8")

    with pytest.raises(CivicmlError, match="cannot be made"):
        prepare_store(tmp_path / "tracking")


@pytest.mark.parametrize("content", [b"this is not a database, whatever its name says", b""])
def test_a_file_that_is_no_store_is_one_sentence_and_stays(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mlflow.db").write_bytes(content)

    with pytest.raises(CivicmlError, match="cannot be used"):
        prepare_store(tmp_path)

    assert (tmp_path / "mlflow.db").read_bytes() == content


def test_a_store_of_another_mlflow_version_says_how_to_upgrade(tmp_path: Path) -> None:
    database = database_of(prepare_store(tmp_path))
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0123456789ab'")

    with pytest.raises(CivicmlError, match="mlflow db upgrade sqlite:///"):
        prepare_store(tmp_path)


# --- where runs go ------------------------------------------------------------------------------


def test_the_variable_for_the_address_wins_completely(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mine/own.db")

    with tracking.start("week01"):
        mlflow.log_text("hello", "note.txt")

    assert (tmp_path / "mine" / "own.db").is_file()
    assert [path.parts[-5] for path in tmp_path.rglob("note.txt")] == ["artifacts"]
    assert not (cohort / "tracking").exists()


def test_an_address_of_a_server_is_passed_on_untouched(cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.gov.uk")

    assert find_store() == tracking.Store("https://mlflow.example.gov.uk", None)


def test_an_address_mlflow_cannot_use_is_one_sentence(cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "carrier-pigeon://loft")

    with pytest.raises(CivicmlError, match="The MLflow store at carrier-pigeon://loft cannot be used"):
        tracking.start("week01")


def test_a_named_directory_that_is_no_cohort_is_one_sentence(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIVICML_COHORT", str(tmp_path / "typo"))

    with pytest.raises(CivicmlError, match=r"there is no cohort\.toml in it"):
        find_store()


@pytest.fixture
def course(cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course with a week's folder, and nothing that names a cohort."""
    root = tmp_path / "course-root"
    (root / "modules" / "week01_workbench").mkdir(parents=True)
    (root / "course").mkdir()
    (root / "course" / "course.toml").touch()
    monkeypatch.delenv("CIVICML_COHORT")
    monkeypatch.chdir(root / "modules" / "week01_workbench")
    return root


def folder_found() -> Path:
    return database_of(find_store().uri).parent


def test_from_a_notebook_inside_a_cohort_its_store_is_found(
    cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CIVICML_COHORT")
    (cohort / "source" / "week01").mkdir(parents=True)
    monkeypatch.chdir(cohort / "source" / "week01")

    assert folder_found() == cohort / "tracking"


def test_from_a_lesson_the_cohort_beside_the_course_is_found(course: Path) -> None:
    (course / "cohort").mkdir()
    (course / "cohort" / "cohort.toml").touch()

    assert folder_found() == course / "cohort" / "tracking"


def test_in_a_kit_runs_stay_in_the_kit(course: Path) -> None:
    (course / "kit.toml").touch()

    assert folder_found() == course / "tracking"


def test_without_cohort_or_kit_runs_go_to_the_users_cache(course: Path, tmp_path: Path) -> None:
    assert folder_found() == tmp_path / "cache" / "tracking"


def test_outside_any_course_runs_go_to_the_users_cache(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CIVICML_COHORT")

    assert folder_found() == tmp_path / "cache" / "tracking"


# --- telemetry ----------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["from civicml import tracking", "import mlflow"])
def test_telemetry_is_off_whichever_is_imported_first(cohort: Path, first: str) -> None:
    code = f"""
{first}
from civicml import tracking
import mlflow.telemetry.client as client
import mlflow
with tracking.start("week01"):
    mlflow.log_metric("recall", 0.5)
print(client._MLFLOW_TELEMETRY_CLIENT, client.is_telemetry_disabled())
"""
    # The signs by which MLflow knows a test run, and turns telemetry off by itself, are taken away.
    signs = {"PYTEST_CURRENT_TEST", "CI", "GITHUB_ACTIONS", "MLFLOW_DISABLE_TELEMETRY"}
    environment = {name: value for name, value in os.environ.items() if name not in signs}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout == "None True\n"
    assert done.stderr == ""

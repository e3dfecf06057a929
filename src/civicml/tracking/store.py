"""Where the MLflow store is, and how a new one is made ready in a moment.

MLflow brings a new SQLite store to its schema by some seventy migrations, which
takes seconds. An empty, migrated store is kept here as text (``schema.sql``) and
loaded instead. This module does not import MLflow unless the kept schema is of
another MLflow version.
"""

import os
import re
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from civicml.course import find_root
from civicml.errors import CivicmlError

DATABASE = "mlflow.db"
ARTIFACTS = "artifacts"
SCHEMA = "schema.sql"
_HEADER = re.compile(r"-- MLflow (?P<mlflow>\S+), revision (?P<revision>\S+)\n")
_SQLITE = "sqlite:///"
_LOCK_SECONDS = 60


@dataclass(frozen=True)
class Store:
    """An MLflow store: its address, and where its artefacts go when it is a file of ours."""

    uri: str
    artifacts: Path | None


def find_store() -> Store:
    """The store that runs go to from here; it is made ready when it does not exist yet.

    ``$MLFLOW_TRACKING_URI`` wins completely. Without it: the cohort named by
    ``$CIVICML_COHORT``; the cohort around the working directory, or beside the course
    there; the learner kit around it; the user's cache directory.

    Raises:
        CivicmlError: the place cannot be written, or holds something else.
    """
    named = os.environ.get("MLFLOW_TRACKING_URI")
    if not named:
        return _prepared(_store_folder() / DATABASE)
    if named.startswith(_SQLITE) and ":memory:" not in named:
        path = named.removeprefix(_SQLITE).partition("?")[0]
        return Store(named, _prepared(Path(path).resolve()).artifacts)
    return Store(named, None)


def prepare_store(folder: Path) -> str:
    """Make an empty MLflow store ready in `folder`, and give its address for MLflow.

    A store that is already there is left as it is. Two processes may do this at once.

    Args:
        folder: where ``mlflow.db`` and ``artifacts/`` go; made when it does not exist.

    Raises:
        CivicmlError: the folder cannot be written, or its ``mlflow.db`` is not a store that
            the installed MLflow can use.
    """
    return _prepared(folder.resolve() / DATABASE).uri


def _store_folder() -> Path:
    named = os.environ.get("CIVICML_COHORT")
    if named:
        cohort = Path(named).expanduser().resolve()
        if not (cohort / "cohort.toml").is_file():
            raise CivicmlError(f"CIVICML_COHORT is '{named}', but there is no cohort.toml in it.")
        return cohort / "tracking"
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if (folder / "cohort.toml").is_file():
            return folder / "tracking"
    try:
        root = find_root()
    except CivicmlError:
        return _user_cache() / "tracking"
    if (root / "cohort" / "cohort.toml").is_file():
        return root / "cohort" / "tracking"
    if (root / "kit.toml").is_file():
        return root / "tracking"
    return _user_cache() / "tracking"


def _user_cache() -> Path:
    named = os.environ.get("CIVICML_CACHE")
    return Path(named).expanduser().resolve() if named else platformdirs.user_cache_path("civicml")


def _prepared(database: Path) -> Store:
    try:
        if not database.exists():
            _create(database)
        _check(database)
    except Timeout:
        raise CivicmlError(
            f"Another process has been making the MLflow store '{database}' ready for over {_LOCK_SECONDS} "
            f"seconds. If none is running, delete '{_lock_file(database)}' and try again."
        ) from None
    except OSError as error:
        raise CivicmlError(
            f"The MLflow store '{database}' cannot be made: {error.strerror or error}."
        ) from None
    except sqlite3.Error as error:
        raise CivicmlError(f"The MLflow store '{database}' cannot be used: {error}.") from None
    return Store(f"{_SQLITE}{database.as_posix()}", database.parent / ARTIFACTS)


def _lock_file(database: Path) -> Path:
    return database.with_name(f".{database.name}.lock")


def _create(database: Path) -> None:
    """Build the store beside its place and move it there whole, one process at a time."""
    database.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(_lock_file(database), timeout=_LOCK_SECONDS):
        if database.exists():  # made by another process while this one waited
            return
        unfinished = database.with_name(f".{database.name}.{os.getpid()}")
        try:
            _fill(unfinished)
            _add_default_experiment(unfinished, database.parent / ARTIFACTS / "0")
            unfinished.replace(database)
        finally:
            unfinished.unlink(missing_ok=True)


def _fill(database: Path) -> None:
    script = kept_schema()
    if schema_fits(script):
        with closing(sqlite3.connect(database)) as connection:
            connection.executescript(script)
    else:
        migrate(database)


def _add_default_experiment(database: Path, artifacts: Path) -> None:
    """Add experiment 0, as MLflow does on first use, but with its artefacts beside the store.

    MLflow would put the working directory of whoever comes first into it.
    """
    now = int(time.time() * 1000)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, "
            "creation_time, last_update_time, workspace) "
            "VALUES (0, 'Default', ?, 'active', ?, ?, 'default')",
            (artifacts.as_uri(), now, now),
        )


def _check(database: Path) -> None:
    """Read the store's revision: what is not a store is told apart before MLflow tries for a minute."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True, timeout=20)) as connection:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    script = kept_schema()
    if found and found[0] != _header(script)["revision"] and schema_fits(script):
        raise CivicmlError(
            f"The MLflow store '{database}' was made by another version of MLflow. Keep a copy of it, then "
            f"run: mlflow db upgrade {_SQLITE}{database.as_posix()}"
        )


def kept_schema() -> str:
    """The SQL of an empty store, and in its first line the MLflow it was made with."""
    return (files(__package__) / SCHEMA).read_text(encoding="utf-8")


def _header(script: str) -> re.Match[str]:
    match = _HEADER.match(script)
    if match is None:
        raise RuntimeError(f"{SCHEMA} does not say which MLflow it is of; make it again")
    return match


def schema_fits(script: str) -> bool:
    """Whether a new store of the installed MLflow has the schema in `script`."""
    made_with = _header(script)
    if made_with["mlflow"] == version("mlflow"):
        return True
    from mlflow.store.db.utils import _get_latest_schema_revision

    return bool(made_with["revision"] == _get_latest_schema_revision())  # type: ignore[no-untyped-call]


def migrate(database: Path) -> None:
    """Bring a new SQLite file to the installed MLflow's schema the slow way, by its migrations."""
    import logging

    from mlflow.store.db import utils

    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger(utils.__name__).setLevel(logging.WARNING)
    engine = utils.create_sqlalchemy_engine(f"{_SQLITE}{database.as_posix()}")  # type: ignore[no-untyped-call]
    try:
        utils._initialize_tables(engine)  # type: ignore[no-untyped-call]
    finally:
        engine.dispose()

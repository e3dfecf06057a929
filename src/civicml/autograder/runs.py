"""Carries a learner's MLflow runs to the tests: rows of known tables, and nothing else.

The learner's store is a file that an untrusted process wrote. Its rows are read with SQLite told to trust
nothing, and put into the tests' own store, which was made here. It must not know what MLflow does with them.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

FOLDER = "tracking"
_MOST_BYTES = 64 << 20
_MOST_ROWS = 50_000
_LEFT_OUT = ("alembic_version", "sqlite_sequence")


def own_store(template: str, home: str) -> Path:
    """Copy the empty store `template` into `home`, and point MLflow to it."""
    folder = Path(home, FOLDER)
    folder.mkdir()
    store = folder / "mlflow.db"
    shutil.copyfile(template, store)
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute(
            "UPDATE experiments SET artifact_location = ?", ((folder / "artifacts" / "0").as_uri(),)
        )
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{store}"
    return store


def stamp(store: Path | None) -> list[int]:
    """Changes whenever the store was written."""
    if store is None or not store.exists():
        return []
    told = store.stat()
    return [told.st_mtime_ns, told.st_size]


def content(store: Path | None) -> bytes:
    """The store's bytes, up to a size."""
    if store is None or not store.exists() or store.stat().st_size > _MOST_BYTES:
        return b""
    return store.read_bytes()


class Follower:
    """Keeps the tests' store equal to the learner's."""

    def __init__(self, own: Path | None, fetch: Callable[[str], Any]) -> None:
        """`fetch` asks the learner's process for ``store stamp`` or ``store``."""
        self._own = own
        self._fetch = fetch
        self._seen: Any = None

    def follow(self) -> None:
        """Fetch what was written since the last time."""
        if self._own is None:
            return
        now = self._fetch("store stamp")
        if now == self._seen:
            return
        self._seen = now
        data = self._fetch("store")
        if not isinstance(data, bytes) or not data or len(data) > _MOST_BYTES:
            return
        with tempfile.TemporaryDirectory() as folder:
            theirs = Path(folder, "theirs.db")
            theirs.write_bytes(data)
            try:
                copy_rows(theirs, self._own)
            except sqlite3.Error:
                return  # a store that cannot be read holds no runs


def copy_rows(theirs: Path, own: Path) -> None:
    """Replace the rows of `own` by those of `theirs`, column by column of our own tables."""
    with (
        closing(sqlite3.connect(f"file:{theirs}?mode=ro&immutable=1", uri=True)) as source,
        closing(sqlite3.connect(own)) as target,
        target,
    ):
        for setting in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0"):
            source.execute(f"PRAGMA {setting}")
        source.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 10 << 20)
        target.execute("PRAGMA foreign_keys = OFF")
        real = {name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for (table,) in target.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if table in _LEFT_OUT or table not in real:
                continue
            columns = [row[1] for row in target.execute(f'PRAGMA table_info("{table}")')]
            # A generated column is worked out on reading, by an expression of the learner's.
            plain = {row[1] for row in source.execute(f'PRAGMA table_xinfo("{table}")') if not row[6]}
            shared = [column for column in columns if column in plain]
            if not shared:
                continue
            names = ", ".join(f'"{column}"' for column in shared)
            rows = source.execute(f'SELECT {names} FROM "{table}" LIMIT {_MOST_ROWS}').fetchall()  # noqa: S608
            marks = ", ".join("?" * len(shared))
            target.execute(f'DELETE FROM "{table}"')  # noqa: S608
            target.executemany(f'INSERT OR IGNORE INTO "{table}" ({names}) VALUES ({marks})', rows)  # noqa: S608

"""Makes ``schema.sql`` again: ``python -m civicml.tracking.schema``, after changing MLflow's version.

It runs MLflow's own migrations on a new store and writes the result down as SQL.
"""

import sqlite3
import tempfile
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from civicml.tracking.store import SCHEMA, migrate


def migrated_schema() -> str:
    """The SQL that makes an empty store of the installed MLflow, with a header naming both versions."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder, "empty.db")
        migrate(database)
        with closing(sqlite3.connect(database)) as connection:
            revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
            statements = "\n".join(connection.iterdump())
    return (
        f"-- MLflow {version('mlflow')}, revision {revision}\n"
        "-- An empty store. Made by 'python -m civicml.tracking.schema'; not edited by hand.\n"
        f"{statements}\n"
    )


def main() -> None:
    """Write ``schema.sql`` beside this module."""
    path = Path(__file__).with_name(SCHEMA)
    path.write_text(migrated_schema(), encoding="utf-8")
    print(f"Wrote {path}.")


if __name__ == "__main__":
    main()

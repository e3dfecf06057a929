"""The content hashes that a dataset's default build must have: ``checksums.toml`` in its folder."""

from pathlib import Path

from civicml.datasets.hashing import table_hash
from civicml.datasets.schema import Settings, read_settings
from civicml.datasets.tables import Tables

CHECKSUMS_FILE = "checksums.toml"


class Checksums(Settings):
    """For each published table, the hash of its values."""

    published: dict[str, str]


def read_checksums(folder: Path) -> Checksums:
    """The ``checksums.toml`` in `folder`.

    Raises:
        CivicmlError: it is missing or is not what it should be.
    """
    return read_settings(folder / CHECKSUMS_FILE, Checksums)


def checksums_text(tables: Tables) -> str:
    """The text of a ``checksums.toml`` for `tables`."""
    lines = [f'{name} = "{table_hash(frame)}"' for name, frame in tables.items()]
    return "\n".join(
        [
            "# Content hashes of the published tables, over their values (civicml.datasets.table_hash).",
            "# Written by: civicml datasets verify --record",
            "",
            "[published]",
            *lines,
            "",
        ]
    )

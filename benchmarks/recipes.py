"""Rows per second of each dataset's recipe: python benchmarks/recipes.py [ROWS ...].

Run from the repository's root; each build goes to a temporary directory.
"""

import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from civicml.datasets import all_datasets, build

ROWS = [250_000, 2_000_000]


def main() -> None:
    """Build every dataset at each size and print a table."""
    sizes = [int(word) for word in sys.argv[1:]] or ROWS
    table = Table(title="Published tables, from nothing")
    for heading in ("dataset", "rows of the main table", "seconds", "rows/s", "megabytes"):
        table.add_column(heading, justify="left" if heading == "dataset" else "right")
    for dataset in all_datasets():
        for size in sizes:
            with tempfile.TemporaryDirectory() as folder:
                made = build(dataset.name, Path(folder) / "tables", rows=size)
                megabytes = sum(path.stat().st_size for path in made.folder.iterdir()) / 1e6
            rows = made.rows[dataset.schema.main_table]
            figures = (f"{rows:,}", f"{made.seconds:.1f}", f"{rows / made.seconds:,.0f}", f"{megabytes:.1f}")
            table.add_row(dataset.name, *figures)
    Console().print(table)


if __name__ == "__main__":
    main()

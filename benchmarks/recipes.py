"""Rows per second and peak memory of each dataset's recipe, beside Faker and SDV making a comparable table.

    python benchmarks/recipes.py [ROWS …] [--only NAME …] [--faker PYTHON] [--sdv PYTHON] [--peer-rows N]
    python benchmarks/recipes.py 10000000          bounded memory: at most 2 GiB

Each build runs in a process of its own and goes to a temporary directory. A recipe makes all tables of a
dataset, protects them and writes them; its rows are those of the main table. The peers make that table alone,
in memory: Faker row by row, each value drawn by itself from the column's list or range; SDV with a Gaussian
copula fitted to 20,000 of our rows (fitting is not counted). Their environments are their own (pip install
faker; pip install sdv). Figures depend on the machine; ratios of one run are what counts.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from civicml.datasets import Dataset, all_datasets
from civicml.datasets.tables import read_tables

ROWS = [250_000, 2_000_000]
FITTED = 20_000

BUILD = """
import json, sys
from pathlib import Path
from civicml.datasets import build
made = build(sys.argv[1], Path(sys.argv[2]), rows=int(sys.argv[3]))
print(json.dumps({"rows": made.rows, "seconds": made.seconds}))
"""

FAKER = """
import json, sys, time
from importlib.metadata import version
from faker import Faker
columns, rows = json.loads(sys.argv[1]), int(sys.argv[2])
fake = Faker("en_GB")
fake.seed_instance(0)
draw = {
    "list": lambda c: (lambda: fake.random_element(c["values"])),
    "integer": lambda c: (lambda: fake.random_int(c["least"], c["most"])),
    "number": lambda c: (lambda: fake.pyfloat(min_value=c["least"], max_value=c["most"])),
    "date": lambda c: (lambda: fake.date_between("-2y", "today")),
    "text": lambda c: fake.name,
}
makers = {c["name"]: draw[c["kind"]](c) for c in columns}
began = time.perf_counter()
table = [{name: make() for name, make in makers.items()} for _ in range(rows)]
print(json.dumps({"version": version("faker"), "rows": len(table), "seconds": time.perf_counter() - began}))
"""

SDV = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import pandas as pd
from importlib.metadata import version
from sdv.metadata import Metadata
from sdv.single_table import GaussianCopulaSynthesizer
dates = json.loads(sys.argv[3])
frame = pd.read_csv(sys.argv[1], parse_dates=dates, low_memory=False)
metadata = Metadata.detect_from_dataframes({"table": frame})
for column in metadata.get_column_names(table_name="table"):
    if column not in dates:
        values = frame[column]
        number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        kind = "numerical" if number else "categorical"
        metadata.update_column(table_name="table", column_name=column, sdtype=kind)
metadata.remove_primary_key(table_name="table") if metadata.tables["table"].primary_key else None
began = time.perf_counter()
synthesizer = GaussianCopulaSynthesizer(metadata)
synthesizer.fit({"table": frame})
fitted = time.perf_counter() - began
began = time.perf_counter()
rows = len(synthesizer.sample(num_rows=int(sys.argv[2]))["table"])
seconds = time.perf_counter() - began
print(json.dumps({"version": version("sdv"), "rows": rows, "seconds": seconds, "fitted": fitted}))
"""


@dataclass(frozen=True)
class Built:
    """One build: rows of the main table, seconds, megabytes on disk, the process's peak memory in MiB."""

    rows: int
    seconds: float
    megabytes: float
    memory: float

    @property
    def speed(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds


def built(dataset: Dataset, rows: int, folder: Path) -> Built:
    """Build `dataset` in `folder`, in a process of its own."""
    command = [sys.executable, "-c", BUILD, dataset.name, str(folder), str(rows)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{dataset.name} at {rows:,} rows could not be built.")
    made = json.loads(said)
    megabytes = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    memory = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return Built(made["rows"][dataset.schema.main_table], made["seconds"], megabytes, memory)


def speed_of(python: str | None, script: str, *words: str) -> dict[str, Any] | None:
    """What a peer's script says of its run; None without an environment, or if it failed."""
    if python is None:
        return None
    done = subprocess.run([python, "-c", script, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        Console(stderr=True).print(f"[red]{done.stderr.strip().splitlines()[-1]}")
        return None
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def described(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """For Faker: each column's values or range."""
    columns = []
    for name in frame.columns:
        values = frame[name].dropna()
        if pd.api.types.is_datetime64_any_dtype(values):
            found: dict[str, Any] = {"kind": "date"}
        elif values.nunique() <= 500:
            found = {"kind": "list", "values": values.astype(str).unique().tolist() or [""]}
        elif pd.api.types.is_integer_dtype(values):
            found = {"kind": "integer", "least": int(values.min()), "most": int(values.max())}
        elif pd.api.types.is_numeric_dtype(values):
            found = {"kind": "number", "least": float(values.min()), "most": float(values.max())}
        else:
            found = {"kind": "text"}
        columns.append({"name": name, **found})
    return columns


def main() -> None:
    """Build every dataset at each size and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", type=int, help=f"sizes; {ROWS} if not given")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these datasets")
    parser.add_argument("--faker", metavar="PYTHON", help="the Python of an environment that has Faker")
    parser.add_argument("--sdv", metavar="PYTHON", help="the Python of an environment that has SDV")
    parser.add_argument("--peer-rows", type=int, default=20_000, help="rows that the peers make")
    told = parser.parse_args()
    console = Console()
    for peer, python in (("Faker", told.faker), ("SDV", told.sdv)):
        if python is None:
            console.print(f"No {peer} beside it: no environment was named (--{peer.lower()} PYTHON).")
    table = Table(title="Published tables, from nothing; rows of the main table")
    for heading in ("dataset", "rows", "s", "rows/s", "MB", "peak MiB", "Faker rows/s", "SDV rows/s"):
        table.add_column(heading, justify="left" if heading == "dataset" else "right")
    for dataset in all_datasets():
        if told.only and dataset.name not in told.only:
            continue
        peers: dict[str, dict[str, Any] | None] = {}
        for size in told.rows or ROWS:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name, "tables")
                made = built(dataset, size, folder)
                if not peers and (told.faker or told.sdv):
                    peers = beside(dataset, folder, told)
            beside_it = []
            for peer in ("faker", "sdv"):
                found = peers.get(peer)
                speed = found["rows"] / found["seconds"] if found else 0.0
                beside_it.append(f"{speed:,.0f} (x{made.speed / speed:,.1f})" if found else "-")
            table.add_row(
                dataset.name,
                f"{made.rows:,}",
                f"{made.seconds:.1f}",
                f"{made.speed:,.0f}",
                f"{made.megabytes:.1f}",
                f"{made.memory:,.0f}",
                *beside_it,
                style="red" if made.memory > 2048 else None,
            )
    Console(width=max(console.width, 120)).print(table)


def beside(dataset: Dataset, folder: Path, told: argparse.Namespace) -> dict[str, dict[str, Any] | None]:
    """The peers' runs on the main table in `folder`."""
    frame = read_tables(folder, dataset.schema, "published")[dataset.schema.main_table].head(FITTED)
    dates = [name for name in frame.columns if pd.api.types.is_datetime64_any_dtype(frame[name])]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "rows.csv")
        frame.to_csv(path, index=False)
        return {
            "faker": speed_of(told.faker, FAKER, json.dumps(described(frame)), str(told.peer_rows)),
            "sdv": speed_of(told.sdv, SDV, str(path), str(told.peer_rows), json.dumps(dates)),
        }


if __name__ == "__main__":
    main()

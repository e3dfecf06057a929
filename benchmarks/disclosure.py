"""How fast disclosure control is, beside pyCANON on the same table in one run.

    python benchmarks/disclosure.py [--rows N] [--pycanon PYTHON] [--pycanon-rows N] [--patience SECONDS]

pyCANON pins old versions of numpy and pandas: make it an environment of its own (python -m venv E; E/bin/pip
install pycanon) and give its Python. Figures depend on the machine; ratios of one run are what counts.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from civicml.datasets import (
    Knowledge,
    PeopleRule,
    age_hierarchy,
    all_or_nothing,
    attack_by_programming,
    count_table,
    enforce,
    entropy_l_diversity,
    k_anonymity,
    l_diversity,
    least_generalisation,
    link,
    single_out,
    suppress_counts,
    t_closeness,
)

QUASI = ["age_band", "sex", "area", "decile"]
SENSITIVE = "diagnosis"

PYCANON = """
import json, sys, time
import pandas as pd
from importlib.metadata import version
from pycanon import anonymity
frame = pd.read_csv(sys.argv[1], nrows=int(sys.argv[2]))
quasi, sensitive = json.loads(sys.argv[3])
print(json.dumps({"version": version("pycanon"), "rows": len(frame)}), flush=True)
for name in ("k_anonymity", "l_diversity", "entropy_l_diversity", "t_closeness"):
    began = time.perf_counter()
    words = [quasi] if name == "k_anonymity" else [quasi, [sensitive]]
    value = float(getattr(anonymity, name)(frame, *words))
    print(json.dumps({"name": name, "value": value, "seconds": time.perf_counter() - began}), flush=True)
"""


def people(rows: int) -> pd.DataFrame:
    """A table of people: about 18,000 classes, the same for everybody who runs this."""
    rng = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "age": rng.integers(0, 90, rows),
            "sex": rng.choice(["F", "M"], rows),
            "area": rng.choice([f"A{n:02}" for n in range(50)], rows, p=rng.dirichlet(np.full(50, 2.0))),
            "decile": rng.integers(1, 11, rows),
            "diagnosis": rng.choice(list("abcdef"), rows, p=[0.4, 0.2, 0.2, 0.1, 0.07, 0.03]),
        }
    ).assign(age_band=lambda frame: (frame["age"] // 5 * 5).astype(str) + "+")


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what `work` gives."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def measures(frame: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Ours of the four measures that pyCANON has too: seconds and value."""
    return {
        "k_anonymity": timed(lambda: k_anonymity(frame, QUASI)),
        "l_diversity": timed(lambda: l_diversity(frame, QUASI, SENSITIVE)),
        "entropy_l_diversity": timed(lambda: entropy_l_diversity(frame, QUASI, SENSITIVE)),
        "t_closeness": timed(lambda: t_closeness(frame, QUASI, SENSITIVE)),
    }


def theirs(
    python: str, frame: pd.DataFrame, rows: int, patience: float
) -> tuple[str, dict[str, dict[str, float]]]:
    """Seconds and values of pyCANON on the first `rows` rows, as far as it gets in `patience` seconds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "people.csv")
        frame.head(rows).to_csv(path, index=False)
        command = [python, "-c", PYCANON, str(path), str(rows), json.dumps([QUASI, SENSITIVE])]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=patience, check=True
            ).stdout
        except subprocess.TimeoutExpired as error:
            done = (error.stdout or b"").decode()
    lines = [json.loads(line) for line in done.splitlines()]
    version = lines[0]["version"] if lines else "did not start in time"
    return version, {line["name"]: line for line in lines[1:]}


def protection(frame: pd.DataFrame) -> dict[str, tuple[float, Any]]:
    """Ours alone: enforcing, searching, attacking."""
    rule = PeopleRule(
        table="people", quasi_identifiers=QUASI, sensitive=[SENSITIVE], k=10, l=2, suppress=["decile", "area"]
    )
    hierarchies = {
        "age": age_hierarchy(),
        "sex": all_or_nothing(),
        "area": all_or_nothing(),
        "decile": all_or_nothing(),
    }
    counts = count_table(frame.sample(min(len(frame), 20_000), random_state=1), ["area", "age_band"])
    newspaper = frame.sample(min(len(frame), 1_000), random_state=1)
    on = {column: column for column in ["age", "sex", "area", "decile"]}
    blanked = counts.assign(count=counts["count"].astype("Int64").mask(counts["count"].between(1, 7)))
    by, knowing = ["area", "age_band"], Knowledge(suppressed_from=1)
    return {
        "blank until k = 10, l = 2": timed(lambda: int(enforce(frame, rule).blanked["decile"])),
        "least generalisation, k = 10, 2% left out": timed(
            lambda: least_generalisation(frame, hierarchies, [SENSITIVE], k=10, l=2, leave_out=0.02).levels[
                "age"
            ]
        ),
        "single out everybody": timed(lambda: f"{single_out(frame, [*on]).success:.1%} alone"),
        "link 1,000 with all": timed(lambda: f"{link(newspaper, frame, on).success:.1%} claimed"),
        f"suppress a table of {len(counts):,} cells": timed(
            lambda: f"{int(suppress_counts(counts, by, suppress_to=7).secondary.sum())} secondary"
        ),
        "attack it, small counts blank only": timed(
            lambda: f"{attack_by_programming(counts, blanked, by, knowing=knowing).right} recovered"
        ),
    }


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pycanon", metavar="PYTHON", help="the Python of an environment that has pyCANON")
    parser.add_argument(
        "--pycanon-rows", type=int, metavar="N", help="rows for pyCANON and us; all if not given"
    )
    parser.add_argument("--patience", type=float, default=600, help="seconds that pyCANON may take in all")
    told = parser.parse_args()
    console = Console()
    frame = people(told.rows)
    shared = frame.head(told.pycanon_rows or told.rows)
    ours = measures(shared)
    version, peer = theirs(told.pycanon, shared, len(shared), told.patience) if told.pycanon else ("", {})
    if not told.pycanon:
        console.print("No pyCANON beside it: no environment was named (--pycanon PYTHON).")
    title = f"{len(shared):,} people, {len(shared[QUASI].drop_duplicates()):,} classes"
    table = Table(title=title)
    for heading in ("measure", "ours, s", "found", f"pyCANON {version}, s", "found", "ratio"):
        table.add_column(heading, justify="left" if heading == "measure" else "right")
    for name, (seconds, value) in ours.items():
        other = peer.get(name)
        beside = ("-", "-", "-")
        if other:
            beside = (
                f"{other['seconds']:.1f}",
                f"{other['value']:.4g}",
                f"x{other['seconds'] / seconds:,.0f}",
            )
        elif told.pycanon:
            beside = ("not in time", "-", "-")
        table.add_row(name, f"{seconds:.3f}", f"{value:.4g}", *beside)
    console.print(table)
    table = Table(title=f"{len(frame):,} people, ours alone")
    for heading in ("what", "seconds", "result"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for name, (seconds, result) in protection(frame).items():
        table.add_row(name, f"{seconds:.2f}", str(result))
    console.print(table)


if __name__ == "__main__":
    main()

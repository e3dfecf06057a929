"""What a submission may use while it is graded, read from ``autograder/sandbox.toml``.

Only numbers and names; it must not know how they are enforced.
"""

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from civicml.errors import CivicmlError

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Limits:
    """The most that one submission gets. Seconds are of the clock on the wall."""

    cell_seconds: float = 60.0
    notebook_seconds: float = 600.0
    memory_bytes: int = 3072 * MEGABYTE
    """Of each process and, where control groups can be made, of all together."""
    address_space_bytes: int = 32768 * MEGABYTE
    """Address space costs nothing until it is used, and torch reserves much."""
    scratch_bytes: int = 256 * MEGABYTE
    file_bytes: int = 200 * MEGABYTE
    processes: int = 64
    open_files: int = 512
    output_bytes: int = 2 * MEGABYTE
    """Kept of one cell's outputs."""
    outputs: int = 100
    """Displays kept of one cell."""
    notebook_bytes: int = 20 * MEGABYTE
    """A larger file is not opened."""
    cells: int = 1000
    restarts: int = 3
    """How often a notebook is taken up again after a cell that ended or hung its process."""


@dataclass(frozen=True)
class Settings:
    """How submissions are run: limits, what a worker imports first, what the jail shows."""

    limits: Limits = field(default_factory=Limits)
    imports: tuple[str, ...] = ("numpy", "pandas", "pyarrow")
    """Imported once by each worker; modules that are not installed are left out."""
    on_demand: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("torch", ("torch", "torch._dynamo")),
        ("mlflow", ("mlflow", "mlflow.store.tracking.sqlalchemy_store")),
        ("civicml.tracking", ("mlflow", "mlflow.store.tracking.sqlalchemy_store", "civicml.tracking")),
    )
    """(module, what to import) for labs that import the module."""
    show: tuple[tuple[str, str], ...] = ()
    """(path inside, path on this machine): read-only for the learner's code and for the tests."""
    show_to_tests: tuple[tuple[str, str], ...] = ()
    """The same, for the tests alone: sealed tables."""
    environment: tuple[tuple[str, str], ...] = ()
    tests_environment: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    """(name, path on this machine) of files that lie beside the notebook."""
    tables: tuple[tuple[str, str, str], ...] = ()
    """(dataset, its published Parquet files, the folder of its schema): read once by each worker."""
    store: str = ""
    """Inside the jail, an empty MLflow store that each submission gets a copy of."""
    service: str = ""
    """A module whose ``run(control, data, limits)`` serves children of the kind "service": strangers' code
    or models that are no notebook, behind the same walls."""
    sandbox: bool = True


def read_settings(path: Path) -> Settings:
    """Read ``sandbox.toml``; what it does not name keeps its default.

    Raises:
        CivicmlError: it cannot be read, or names something unknown or of the wrong kind.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CivicmlError(f"'{path}' cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise CivicmlError(f"'{path}' is not TOML: {error}.") from error
    unknown = set(told) - {"limits", "worker"}
    if unknown:
        raise CivicmlError(f"'{path}' has an unknown section [{min(unknown)}].")
    worker = told.get("worker", {})
    imports, on_demand = worker.get("imports", []), worker.get("on_demand", {})
    good = (
        isinstance(imports, list) and isinstance(on_demand, dict) and set(worker) <= {"imports", "on_demand"}
    )
    if not good or not all(isinstance(modules, list) for modules in on_demand.values()):
        raise CivicmlError(f"'{path}': [worker] takes a list 'imports' and a table 'on_demand' of lists.")
    return Settings(
        limits=_read_limits(told.get("limits", {}), path),
        imports=tuple(map(str, imports)) or Settings.imports,
        on_demand=tuple((name, tuple(map(str, modules))) for name, modules in on_demand.items())
        or Settings.on_demand,
    )


def _read_limits(told: dict[str, Any], path: Path) -> Limits:
    given: dict[str, Any] = {}
    kinds: dict[str, Any] = {item.name: type(getattr(Limits, item.name)) for item in fields(Limits)}
    for name, value in told.items():
        inner = name.replace("_megabytes", "_bytes")
        if inner not in kinds or isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise CivicmlError(f"'{path}': [limits] has no positive number called '{name}'.")
        scale = MEGABYTE if inner != name else 1
        given[inner] = kinds[inner](value * scale)
    return Limits(**given)

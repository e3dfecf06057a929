"""Tables in memory and on disk: the read-only collection that ``load`` returns, and Parquet in and out.

Knows frames, Arrow and schemas; must not know how tables are made or where they are kept.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from civicml.datasets.schema import Column, Schema, TableSchema
from civicml.errors import CivicmlError

Chunk = dict[str, pd.DataFrame]

_BATCH = 500_000


class Tables(Mapping[str, pd.DataFrame]):
    """The tables of one dataset, by name (``gp["patients"]``) or as attributes (``gp.patients``).

    The collection is read-only; the frames are yours to change.
    """

    def __init__(self, name: str, layer: str, frames: Mapping[str, pd.DataFrame]) -> None:
        self._name, self._layer, self._frames = name, layer, dict(frames)

    def _copy(self) -> "Tables":
        """The same tables in frames of their own; memory is shared until somebody writes to it."""
        # Not `copy`: that could be a table's name.
        return Tables(self._name, self._layer, {name: f.copy(deep=False) for name, f in self._frames.items()})

    def __getitem__(self, table: str) -> pd.DataFrame:
        try:
            return self._frames[table]
        except KeyError:
            raise KeyError(self._lacks(table)) from None

    def __getattr__(self, table: str) -> pd.DataFrame:
        if table.startswith("_"):
            raise AttributeError(table)
        try:
            return self._frames[table]
        except KeyError:
            raise AttributeError(self._lacks(table)) from None

    def _lacks(self, table: str) -> str:
        there = ", ".join(self._frames)
        if self._layer == "official":
            return (
                f"the official files of '{self._name}' hold no table '{table}', only {there}; "
                f"'civicml datasets use {self._name} --published' goes back to the course's tables"
            )
        return f"'{self._name}' has no table '{table}'; it has {there}"

    def __iter__(self) -> Iterator[str]:
        return iter(self._frames)

    def __len__(self) -> int:
        return len(self._frames)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._frames]

    def __repr__(self) -> str:
        sizes = (f"{name}: {len(f):,} rows x {len(f.columns)} columns" for name, f in self._frames.items())
        return f"{self._name} ({self._layer})\n  " + "\n  ".join(sizes)


class TableWriter:
    """Writes tables chunk by chunk, a Parquet file each, so that only one chunk is ever in memory.

    Args:
        folder: an existing directory; ``<table>.parquet`` is written there.
        tables: the tables of the layer that is written. Without them (the raw layer), each file takes
            the types of its first chunk.
    """

    def __init__(self, folder: Path, tables: Mapping[str, TableSchema] | None = None) -> None:
        self._folder, self._tables = folder, tables
        self._files: dict[str, pq.ParquetWriter] = {}
        self.rows: dict[str, int] = {}

    def write(self, chunk: Mapping[str, pd.DataFrame]) -> None:
        """Append each frame to its table's file."""
        for name, frame in chunk.items():
            table = self._to_arrow(name, frame)
            if name not in self._files:
                # The raw layer is read once and thrown away: speed before size.
                compression = "lz4" if self._tables is None else "zstd"
                self._files[name] = pq.ParquetWriter(
                    self._folder / f"{name}.parquet", table.schema, compression=compression
                )
            self._files[name].write_table(table)
            self.rows[name] = self.rows.get(name, 0) + len(frame)

    def _to_arrow(self, name: str, frame: pd.DataFrame) -> pa.Table:
        if self._tables is None:
            known = self._files.get(name)
            return pa.Table.from_pandas(frame, schema=known.schema if known else None, preserve_index=False)
        if name not in self._tables:
            raise CivicmlError(
                f"The recipe writes a table '{name}', which this layer must not hold; "
                f"its tables are {', '.join(self._tables)}."
            )
        table = self._tables[name]
        columns = [_to_arrow_column(frame[column], spec) for column, spec in table.columns.items()]
        return pa.Table.from_arrays(columns, schema=table.arrow_schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()


class RawTables:
    """The raw layer on disk, for a recipe's ``publish``: whole columns, or batches of rows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, table: str, columns: list[str] | None = None) -> pd.DataFrame:
        """One table whole; name the columns you need."""
        frame: pd.DataFrame = pq.read_table(self._folder / f"{table}.parquet", columns=columns).to_pandas()
        return frame

    def batches(self, table: str, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
        """One table in order, at most half a million rows at a time."""
        with pq.ParquetFile(self._folder / f"{table}.parquet") as file:
            for batch in file.iter_batches(batch_size=_BATCH, columns=columns):
                yield batch.to_pandas()


def read_tables(
    folder: Path | Sequence[Path], schema: Schema, layer: str, years: Sequence[int] | None = None
) -> Tables:
    """Read every table of a layer from the Parquet files in `folder`, or in several, one after the other.

    Args:
        folder: where the files are.
        schema: what is in them.
        layer: ``"sealed"`` for the tables of the hold-out, anything else for those that are published.
        years: take only the rows of these years, where the dataset is kept year by year.

    Raises:
        CivicmlError: a file is missing, damaged, or lacks a column of the schema.
    """
    folders = [folder] if isinstance(folder, Path) else list(folder)
    only = None if years is None or schema.years is None else [(schema.years.column, "in", list(years))]
    frames = {}
    for name, table in schema.in_layer(layer).items():
        categories = [column for column, spec in table.columns.items() if spec.type == "category"]
        parts = [_read(schema.name, place / f"{name}.parquet", categories, only) for place in folders]
        stored = pa.concat_tables(parts)
        frames[name] = to_frame(stored, table, name)
    return Tables(schema.name, layer, frames)


def _read(
    dataset: str, path: Path, categories: list[str], only: list[tuple[str, str, list[int]]] | None
) -> pa.Table:
    try:
        return pq.read_table(path, read_dictionary=categories, partitioning=None, filters=only)
    except FileNotFoundError as error:
        raise CivicmlError(f"Table '{path.stem}' of '{dataset}' is missing: there is no {path}.") from error
    except (OSError, pa.ArrowException) as error:
        raise CivicmlError(f"{path} is not a readable Parquet file: {error}.") from error


def to_frame(stored: pa.Table, table: TableSchema, name: str) -> pd.DataFrame:
    """An Arrow table as a frame with the schema's types; units and descriptions are in ``attrs``.

    Raises:
        CivicmlError: a column of the schema is not there, or is of another type.
    """
    columns = {}
    for column, spec in table.columns.items():
        if column not in stored.column_names:
            raise CivicmlError(
                f"Table '{name}' has no column '{column}'; it has {', '.join(stored.column_names)}."
            )
        try:
            columns[column] = _to_pandas_column(stored.column(column), spec)
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise CivicmlError(f"Table '{name}', column '{column}' is not {spec.type}: {error}.") from error
    frame = pd.DataFrame(columns, copy=False)
    frame.attrs["description"] = table.description
    frame.attrs["columns"] = {column: spec.description for column, spec in table.columns.items()}
    frame.attrs["units"] = {column: spec.unit for column, spec in table.columns.items() if spec.unit}
    return frame


def _to_arrow_column(values: pd.Series, spec: Column) -> pa.Array:
    array = pa.Array.from_pandas(values)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    return array.cast(spec.arrow_type)


def _to_pandas_column(stored: pa.ChunkedArray, spec: Column) -> pd.Series:
    if spec.type == "category":
        return pd.Series(_to_categorical(stored, spec))
    column = stored.cast(spec.arrow_type)
    if spec.type in ("integer", "yes/no") and spec.missing:
        return pd.Series(pd.array(column.to_pandas(types_mapper={spec.arrow_type: spec.pandas_dtype}.get)))
    values: pd.Series = column.to_pandas()
    # Numbers may still be in Arrow's memory, which nobody may change.
    return values if spec.type == "text" else values.copy()


def _to_categorical(stored: pa.ChunkedArray, spec: Column) -> "pd.Categorical[str]":
    """Categories in the schema's order (or sorted), whatever order the file's dictionaries are in."""
    if not pa.types.is_dictionary(stored.type):
        stored = stored.cast(pa.string()).dictionary_encode()
    array = stored.unify_dictionaries().combine_chunks()
    found = [str(value) for value in array.dictionary.to_pylist()]
    categories = spec.values if spec.values is not None else sorted(found)
    place = {value: number for number, value in enumerate(categories)}
    unknown = [value for value in found if value not in place]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not in its code list")
    # The extra last entry is where a blank (-1) lands.
    codes = np.array([*(place[value] for value in found), -1], dtype=np.int32)
    at = array.indices.fill_null(len(found)).to_numpy(zero_copy_only=False)
    return pd.Categorical.from_codes(codes[at], categories=pd.Index(categories), ordered=spec.ordered)

"""What a dataset's tables hold: reads ``schema.toml`` into frozen objects and checks frames against them.

The pandera contract of every table is built from that one file. Knows types, units,
code lists and missing values; must not know any dataset by name.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from civicml.errors import CivicmlError

if TYPE_CHECKING:
    import pandera.pandas as pandera

SCHEMA_FILE = "schema.toml"

_Text = Annotated[str, Field(min_length=1)]


class Settings(BaseModel):
    """Settings read once from TOML: unknown keys are mistakes, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Column(Settings):
    """One column: its type, unit, code list and whether it may be blank.

    ``values`` lists what a category or text may hold; ``codes`` says what each number of an integer column
    means, and ``missing_codes`` which of its numbers mean that nothing is known.
    """

    type: Literal["integer", "number", "text", "category", "date", "yes/no"]
    description: _Text
    missing: bool
    unit: str | None = None
    bits: Literal[8, 16, 32, 64] = 64
    ordered: bool = False
    values: list[str] | None = None
    also_found: list[str] = Field(default_factory=list)
    codes: dict[str, _Text] | None = None
    missing_codes: list[int] = Field(default_factory=list)
    pattern: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    multiple_of: int | None = None
    references: str | None = None

    @property
    def arrow_type(self) -> pa.DataType:
        """How the column is stored in Parquet."""
        match self.type:
            case "integer":
                return {8: pa.int8(), 16: pa.int16(), 32: pa.int32(), 64: pa.int64()}[self.bits]
            case "number":
                return pa.float64()
            case "date":
                return pa.timestamp("us")
            case "yes/no":
                return pa.bool_()
            case _:
                return pa.string()

    @property
    def pandas_dtype(self) -> object:
        """What a loaded frame holds; ``None`` for a category whose values are taken from the data."""
        match self.type:
            case "integer":
                return pd.api.types.pandas_dtype(f"{'Int' if self.missing else 'int'}{self.bits}")
            case "number":
                return pd.api.types.pandas_dtype("float64")
            case "date":
                return pd.api.types.pandas_dtype("datetime64[us]")
            case "yes/no":
                return pd.api.types.pandas_dtype("boolean" if self.missing else "bool")
            case "text":
                return pd.StringDtype(na_value=float("nan"))
            case _:
                return pd.CategoricalDtype(self.values, ordered=self.ordered) if self.values else None


class TableSchema(Settings):
    """One table: its columns in order, and what identifies a row.

    A table that is ``only_sealed`` holds the truth (who is who, which rows belong together): it is part of
    the sealed layer, where hidden tests find it, and of no other. One that is ``shared`` holds the world that
    all layers have in common (places, a calendar, the weather): the hold-out has the same rows.
    """

    description: _Text
    columns: Annotated[dict[str, Column], Field(min_length=1)]
    key: list[str] = Field(default_factory=list)
    rows_at_least: int = 0
    only_sealed: bool = False
    shared: bool = False

    @model_validator(mode="after")
    def _key_exists(self) -> Self:
        unknown = [name for name in self.key if name not in self.columns]
        if unknown:
            raise ValueError(f"the key names {unknown}, which are not columns")
        return self

    @property
    def arrow_schema(self) -> pa.Schema:
        """The Parquet file's schema."""
        return pa.schema([(name, column.arrow_type) for name, column in self.columns.items()])


class Years(Settings):
    """Which years a dataset has that is built and loaded year by year.

    Attributes:
        column: the column of every table that holds the year.
        published: the years that learners can have.
        default: those that ``load`` gives when none are named.
        measured: those that the calibration figures are measured on, together.
        sealed: those of the sealed hold-out; some may be published in no other layer.
    """

    column: _Text
    published: Annotated[list[int], Field(min_length=1)]
    default: Annotated[list[int], Field(min_length=1)]
    measured: Annotated[list[int], Field(min_length=1)]
    sealed: Annotated[list[int], Field(min_length=1)]

    @model_validator(mode="after")
    def _within(self) -> Self:
        for name in ("default", "measured"):
            odd = sorted(set(getattr(self, name)) - set(self.published))
            if odd:
                raise ValueError(f"{name} names {odd[0]}, which is not a published year")
        return self


class Schema(Settings):
    """All tables of one dataset: ``tables`` are published, ``sealed_tables`` are in the sealed layer only."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    title: _Text
    source: _Text
    main_table: _Text
    years: Years | None = None
    tables: Annotated[dict[str, TableSchema], Field(min_length=1)]
    sealed_tables: dict[str, TableSchema] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _set_sealed_apart(cls, found: object) -> object:
        if not isinstance(found, dict) or not isinstance(found.get("tables"), dict):
            return found
        tables = found["tables"]
        sealed = {n: t for n, t in tables.items() if isinstance(t, dict) and t.get("only_sealed") is True}
        published = {name: table for name, table in tables.items() if name not in sealed}
        return {**found, "tables": published, "sealed_tables": sealed}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.main_table not in self.tables:
            raise ValueError(f"main_table '{self.main_table}' is not one of the published tables")
        for name, table in self.in_layer("sealed").items():
            if self.years is not None and self.years.column not in table.columns:
                raise ValueError(f"table '{name}' has no column '{self.years.column}' to hold the year")
            known = self.in_layer("sealed" if table.only_sealed else "published")
            for column_name, column in table.columns.items():
                if column.references:
                    other, _, key = column.references.partition(".")
                    if other not in known or key not in known[other].columns:
                        raise ValueError(
                            f"{name}.{column_name} refers to '{column.references}', which is not there"
                        )
        return self

    def in_layer(self, layer: str) -> dict[str, TableSchema]:
        """The tables of the published or the sealed layer."""
        return {**self.tables, **self.sealed_tables} if layer == "sealed" else self.tables

    @cached_property
    def main(self) -> TableSchema:
        """The table that ``rows`` counts."""
        return self.tables[self.main_table]


_Kind = TypeVar("_Kind", bound=Settings)


def read_schema(folder: Path) -> Schema:
    """Read ``schema.toml`` in `folder`.

    Raises:
        CivicmlError: it is missing, is not TOML, or says something a schema cannot say.
    """
    return read_settings(folder / SCHEMA_FILE, Schema)


def read_settings(path: Path, kind: type[_Kind]) -> _Kind:
    """Read the TOML file at `path` into `kind`.

    Raises:
        CivicmlError: the file is missing or is not TOML, or the sentence names the place that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return kind.model_validate(tomllib.loads(text))
    except FileNotFoundError as error:
        raise CivicmlError(f"There is no {path.name} in '{path.parent}'.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CivicmlError(f"{path} cannot be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise CivicmlError(f"{path} is not valid TOML: {error}.") from error
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"]) or "the whole file"
        raise CivicmlError(f"{path}: {place}: {problem['msg'].removeprefix('Value error, ')}.") from error


def choose_years(schema: Schema, wanted: int | Iterable[int] | Literal["all"] | None) -> list[int] | None:
    """The published years that `wanted` means, in order; ``None`` for a dataset that is not kept by year.

    Raises:
        CivicmlError: the dataset has no years, or not one of those.
    """
    if schema.years is None:
        if wanted is not None:
            raise CivicmlError(f"'{schema.name}' is not kept year by year; load it without years.")
        return None
    known = schema.years.published
    if wanted is None:
        return list(schema.years.default)
    if isinstance(wanted, str):
        if wanted == "all":
            return list(known)
        raise CivicmlError(f"years is '{wanted}'; give a year such as {known[-1]}, several, or 'all'.")
    listed = [wanted] if isinstance(wanted, int | np.integer) else wanted
    chosen = sorted({int(year) for year in listed})
    odd = [year for year in chosen if year not in known]
    if odd or not chosen:
        what = f"no year {odd[0]}" if odd else "nothing for no year at all"
        raise CivicmlError(f"'{schema.name}' has {what}; it has {', '.join(map(str, known))}.")
    return chosen


def contract(table: TableSchema) -> "pandera.DataFrameSchema":
    """The pandera contract of one table: types, code lists, ranges, blanks, and no other columns."""
    import pandera.pandas as pandera

    columns = {
        name: pandera.Column(
            None if column.pandas_dtype is None else column.pandas_dtype,
            checks=_checks(column),
            nullable=column.missing,
        )
        for name, column in table.columns.items()
    }
    return pandera.DataFrameSchema(columns, strict=True, ordered=True, unique=table.key or None)


def check(frame: pd.DataFrame, table: TableSchema, name: str) -> None:
    """Hold `frame` to the contract of `table`, which is called `name` in messages.

    Raises:
        CivicmlError: it does not fit. The sentence names table, column, value and row.
    """
    import pandera.errors

    missing = [column for column in table.columns if column not in frame.columns]
    if missing:
        found = ", ".join(str(c) for c in frame.columns if c not in table.columns) or "no other column"
        raise CivicmlError(f"Table '{name}' has no column '{missing[0]}'; in its place it has: {found}.")
    try:
        contract(table).validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        raise CivicmlError(_first_failure(error.failure_cases, frame, table, name)) from error


def check_references(frames: Mapping[str, pd.DataFrame], schema: Schema) -> None:
    """Check that every value of a referring column is there in the column that it refers to.

    Raises:
        CivicmlError: one is not. The sentence names table, column, value and row.
    """
    for name, table in schema.tables.items():
        for column_name, column in table.columns.items():
            if column.references is None:
                continue
            other, _, key = column.references.partition(".")
            values = frames[name][column_name]
            orphans = ~values.isin(frames[other][key]) & values.notna()
            if orphans.any():
                row = int(orphans.to_numpy().argmax())
                raise CivicmlError(
                    f"Table '{name}', column '{column_name}', row {row}: {_shown(values.iloc[row])} "
                    f"is not in {column.references} ({int(orphans.sum()):,} such rows)."
                )


def _checks(column: Column) -> "list[pandera.Check]":
    """The column's checks; each one's ``error`` completes the sentence "expected that it …"."""
    import pandera.pandas as pandera

    checks = []
    if column.values is not None:
        known = [*column.values, *column.also_found]
        listed = f"is one of {', '.join(column.values)}"
        checks.append(pandera.Check(lambda found: found.isin(known), error=listed))
    if column.codes is not None:
        numbers = [int(code) for code in column.codes]
        meant = f"is one of {', '.join(column.codes)}"
        checks.append(pandera.Check(lambda found: found.isin(numbers), error=meant))
    if column.pattern is not None:
        form = re.compile(column.pattern)
        checks.append(
            pandera.Check(
                lambda found: (
                    found.astype("object").map(lambda text: bool(form.fullmatch(text))).astype(bool)
                ),
                error=f"looks like {column.pattern}",
            )
        )
    if column.minimum is not None:
        checks.append(pandera.Check.ge(column.minimum, error=f"is at least {column.minimum:g}"))
    if column.maximum is not None:
        checks.append(pandera.Check.le(column.maximum, error=f"is at most {column.maximum:g}"))
    if column.multiple_of is not None:
        base = column.multiple_of
        checks.append(pandera.Check(lambda found: found % base == 0, error=f"is a multiple of {base}"))
    return checks


def _first_failure(cases: pd.DataFrame, frame: pd.DataFrame, table: TableSchema, name: str) -> str:
    case = cases.iloc[0]
    more = f" ({len(cases) - 1:,} more such problems)" if len(cases) > 1 else ""
    column, test, found = case["column"], str(case["check"]), case["failure_case"]
    if test == "column_in_schema":
        return f"Table '{name}' has a column '{found}' that its schema does not know{more}."
    if test == "column_ordered":
        order = ", ".join(table.columns)
        return f"Table '{name}': column '{found}' is not where it belongs; the order is {order}."
    if test == "multiple_fields_uniqueness":
        row = frame.duplicated(table.key).to_numpy().argmax()
        return f"Table '{name}', row {row}: the key {', '.join(table.key)} is there twice{more}."
    if test.startswith("dtype"):
        wanted = table.columns[column].type
        return f"Table '{name}', column '{column}' is of type {found}; expected {wanted}{more}."
    if test == "not_nullable":
        return f"Table '{name}', column '{column}', row {case['index']}: blank, and may not be{more}."
    place = f"Table '{name}', column '{column}', row {case['index']}"
    return f"{place}: {_shown(found)}; expected that it {test}{more}."


def _shown(value: object) -> str:
    """A value as a person would write it: text in quotes, a number as a number."""
    return f"'{value}'" if isinstance(value, str) else str(value)

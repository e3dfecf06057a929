"""What a dossier's documents ask: the forms in ``documents/``, one TOML file each, as frozen objects.

A form lists sections, a section lists fields; a field says what it is for, gives an example, and says what
kind of answer it takes. Must not know what anybody answered.
"""

import tomllib
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ORDER = (
    "dossier",
    "model_card",
    "datasheet",
    "transparency_record",
    "impact_screening",
    "equality_analysis",
    "monitoring_plan",
    "field_trial",
)
"""The forms, in the order in which a reader meets them."""

Kind = Literal[
    "text", "term", "role", "email", "url", "date", "number", "share", "version", "yes/no", "choice", "list",
    "model name", "run id", "hash", "quantity", "figures", "rows", "prose",
]  # fmt: skip

_Text = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    """A part of a form: unknown keys are mistakes, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Question(_Part):
    """One field of a document.

    Attributes:
        name: its key among the facts.
        type: the kind of answer: ``prose`` is Markdown below a heading, the rest are facts.
        ask: what to write, as a noun phrase: it completes "Write …".
        example: an answer from another, fictional tool; an answer that repeats it is refused.
        label: what people call it; for prose it is the heading, and unique in its document.
        shares: answers that share something must be the same in every document.
        needed_if: the yes/no field of the same section that makes this one necessary.
        choices: what a ``choice`` may be.
        every_choice: the rows that this column is part of name each choice exactly once.
        words: the fewest words that can say it.
        columns: the fields of each of the ``rows``.
        number: its own number in a published standard, where that is known.
        published: whether the answer is part of the published table (of the transparency record).
        note: what whoever publishes the answer must know.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z_]*$")]
    type: Kind
    ask: _Text
    example: Any = None
    label: str = ""
    shares: str | None = None
    optional: bool = False
    needed_if: str | None = None
    choices: tuple[str, ...] = ()
    every_choice: bool = False
    words: int = 0
    columns: tuple["Question", ...] = ()
    number: str = ""
    published: bool = True
    note: str = ""

    @property
    def title(self) -> str:
        """What people call the field."""
        return self.label or self.name.replace("_", " ").capitalize()

    @property
    def is_rows(self) -> bool:
        """Whether the answer is any number of blocks."""
        return self.type in ("rows", "figures")

    @property
    def parts(self) -> tuple["Question", ...]:
        """The fields of each block of an answer that is rows."""
        return FIGURE if self.type == "figures" else self.columns


class Section(_Part):
    """Fields that belong together: one table of the facts."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z_]*$")]
    title: _Text
    fields: Annotated[tuple[Question, ...], Field(min_length=1)]
    number: str = ""

    @property
    def heading(self) -> str:
        """The section's number, where it has one, and its title."""
        return f"{self.number} {self.title}".strip()


class Form(_Part):
    """One document: who it is for and what it asks."""

    name: str
    title: _Text
    purpose: _Text
    source: _Text
    sections: Annotated[tuple[Section, ...], Field(min_length=1)]

    @property
    def file(self) -> str:
        """The file it is written in: facts alone are TOML, facts with prose are Markdown."""
        return f"{self.name}.md" if self.headings else f"{self.name}.toml"

    @property
    def headings(self) -> dict[str, Question]:
        """The fields that are answered in prose, by heading."""
        return {field.title: field for _, field in self.questions() if field.type == "prose"}

    def questions(self) -> Iterator[tuple[Section, Question]]:
        """Every field with its section, in order."""
        return ((section, field) for section in self.sections for field in section.fields)


FIGURE = (
    Question(
        name="metric",
        type="term",
        ask="the metric's name in the MLflow run",
        example="late_found_per_12",
    ),
    Question(
        name="value",
        type="number",
        ask="its value, with as many digits as you stand by",
        example=Decimal("5.12"),
    ),
    Question(name="unit", type="term", ask="its unit", example="late departures found an hour"),
    Question(
        name="low",
        type="number",
        ask="the lower end of its interval; leave it empty if there is none",
        example=Decimal("4.80"),
        optional=True,
    ),
    Question(
        name="high",
        type="number",
        ask="the upper end of its interval; leave it empty if there is none",
        example=Decimal("5.43"),
        optional=True,
    ),
    Question(
        name="of",
        type="term",
        label="Measured on",
        ask="what it was measured on: which rows or group, and how many",
        example="2,100 hours from July to October 2025",
    ),
)
"""The fields of each figure: a metric that a review can look up in the run."""


@cache
def forms() -> tuple[Form, ...]:
    """Every form, in order."""
    return tuple(_read(name) for name in ORDER)


def form(name: str) -> Form:
    """The form called `name`, such as ``model_card``."""
    return forms()[ORDER.index(name)]


def _read(name: str) -> Form:
    text = (files("civicml.dossier") / "documents" / f"{name}.toml").read_text(encoding="utf-8")
    return Form.model_validate({"name": name, **tomllib.loads(text, parse_float=Decimal)})


def shown(value: object) -> str:
    """A value as one writes it in TOML: text in quotes, a date plain, a list in brackets."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
        case list() | tuple():
            return f"[{', '.join(map(shown, value))}]"
        case dict():
            return f"{{ {', '.join(f'{key} = {shown(item)}' for key, item in value.items())} }}"
        case date():
            return value.isoformat()
        case _:
            return str(value)

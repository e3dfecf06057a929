"""A dossier for its readers: one page that stands by itself, and the transparency record as a table.

Shows what was answered and escapes all of it. Must not judge: what is wrong is handed in and printed.
"""

import csv
import io
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

import nh3
from markupsafe import Markup

from civicml.dossier.answers import blank
from civicml.dossier.checking import check
from civicml.dossier.forms import Question, Section
from civicml.dossier.reading import MOST_LETTERS, Document, Dossier, Problem, read
from civicml.errors import CivicmlError
from civicml.page import prose, render

NOT_ANSWERED = "Not answered"
TABLE_HEADINGS = ("Section", "Section title", "Field", "Answer", "Note for the publisher")

# The end of a line that only wraps: what follows is not empty, nor the start of a list or of a table.
_WRAPPED = re.compile(r"(?<!\n)[ \t]*\n[ \t]*(?![\s*+>#|`-]|\d+[.)])")
_ITEM = re.compile(r"^[ \t]*[-*+][ \t]+", re.MULTILINE)
_EMPHASIS = re.compile(r"\*{1,2}([^*\n]+)\*{1,2}")
_RUNS_IN_A_SPREADSHEET = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class _Fact:
    label: str
    answer: str
    code: bool
    missing: bool


@dataclass(frozen=True)
class _Block:
    """A piece of a section: facts, the text below a heading, or a table."""

    facts: tuple[_Fact, ...] = ()
    label: str = ""
    text: Markup = field(default_factory=Markup)
    headings: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    numbers: tuple[bool, ...] = ()


def export(
    folder: Path, *, page_to: Path | None = None, table_to: Path | None = None, draft: bool = False
) -> tuple[Path, ...]:
    """Write the dossier in `folder` as a page, its transparency record as a table, or both.

    Args:
        folder: the dossier's folder.
        page_to: an .html file.
        table_to: a .csv file.
        draft: write also what is not complete; the page then lists what is wrong.

    Returns:
        The files written. Either all of them are or none is.

    Raises:
        CivicmlError: nothing is asked for, a file has the wrong ending or no folder, or the dossier is not
            complete.
    """
    if page_to is None and table_to is None:
        raise CivicmlError("Say what to write: --to FILE.html for the page, --atrs FILE.csv for the table.")
    for path, ending in ((page_to, ".html"), (table_to, ".csv")):
        if path is not None and path.suffix.lower() != ending:
            raise CivicmlError(f"'{path}' must end in {ending}.")
    dossier = read(folder)
    problems = check(dossier)
    if problems and not draft:
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise CivicmlError(
            f"'{folder}' is not complete: {str(problems[0])[:-1]}{more}. --draft writes it as it is."
        )
    wanted: list[tuple[Path, str]] = []
    if page_to is not None:
        wanted.append((page_to, page(dossier, problems)))
    if table_to is not None:
        wanted.append((table_to, transparency_table(dossier)))
    write(wanted)
    return tuple(path for path, _ in wanted)


# --- the page -------------------------------------------------------------------------------------


def page(dossier: Dossier, problems: Sequence[Problem] = ()) -> str:
    """The dossier as one HTML page that needs nothing else.

    Args:
        dossier: what to show; what is not there is shown as not answered.
        problems: what is to be put right; it is listed first, and the page calls itself a draft.
    """
    first = dossier["dossier"]
    title = first.answer("dossier", "title")
    return render(
        "dossier.html.j2",
        title=title if isinstance(title, str) and title.strip() else "A dossier without a title",
        organisation=_plain(first.answer("dossier", "organisation")),
        problems=[str(problem) for problem in problems],
        documents=[
            {
                "name": document.form.name,
                "title": document.form.title,
                "purpose": document.form.purpose,
                "source": document.form.source,
                "sections": [
                    (section.heading, tuple(_blocks(document, section))) for section in document.form.sections
                ],
            }
            for document in dossier.documents
        ],
    )


def _blocks(document: Document, section: Section) -> Iterator[_Block]:
    facts: list[_Fact] = []
    for question in section.fields:
        if question.type != "prose" and not question.is_rows:
            facts += _facts(document, section, question)
            continue
        if facts:
            yield _Block(facts=tuple(facts))
            facts = []
        yield _text(document, question) if question.type == "prose" else _table(document, section, question)
    if facts:
        yield _Block(facts=tuple(facts))


def _facts(document: Document, section: Section, question: Question) -> Iterator[_Fact]:
    answer = document.answer(section.name, question.name)
    needed = not question.optional
    if question.needed_if is not None:
        needed = document.answer(section.name, question.needed_if) is True
    if blank(answer) and not needed:
        return
    code = question.type in ("run id", "hash", "model name")
    yield _Fact(question.title, NOT_ANSWERED if blank(answer) else _plain(answer), code, blank(answer))


def _text(document: Document, question: Question) -> _Block:
    text = document.prose.get(question.title, "")
    if not text:
        shown = Markup("<p>{}.</p>").format(NOT_ANSWERED)
    elif len(text) > MOST_LETTERS:
        shown = Markup("<p>Left out: {:,} characters.</p>").format(len(text))
    else:
        shown = _safe(text)
    return _Block(label=question.title, text=shown)


def _safe(markdown: str) -> Markup:
    """Markdown as harmless HTML; a picture would be fetched from somewhere, so there is none."""
    return Markup(nh3.clean(prose(markdown), tags=nh3.ALLOWED_TAGS - {"img"}))  # noqa: S704 - cleaned


def _table(document: Document, section: Section, question: Question) -> _Block:
    answer = document.answer(section.name, question.name)
    rows = [row for row in answer if isinstance(row, dict)] if isinstance(answer, list) else []
    parts = question.parts
    return _Block(
        label=question.title,
        headings=tuple(part.title for part in parts),
        rows=tuple(tuple(_plain(row.get(part.name)) for part in parts) for row in rows),
        numbers=tuple(part.type == "number" for part in parts),
    )


def _plain(answer: object) -> str:  # noqa: PLR0911 - one for each kind of value
    """An answer as a person reads it."""
    match answer:
        case None:
            return ""
        case bool():
            return "Yes" if answer else "No"
        case date():
            return f"{answer.day} {answer:%B %Y}"
        case Decimal():
            return f"{answer:f}" if abs(answer.adjusted()) < 30 else str(answer)
        case int():
            return f"{answer:,}"
        case list():
            return ", ".join(_plain(item) for item in answer)
        case {"value": value, "unit": unit}:
            return f"{_plain(value)} {_plain(unit)}".strip()
        case dict():
            return "; ".join(f"{name}: {_plain(item)}" for name, item in answer.items())
        case _:
            return str(answer)


# --- the published table --------------------------------------------------------------------------


def transparency_table(dossier: Dossier) -> str:
    """The transparency record as CSV, one field a line, in the order of the published table."""
    document = dossier["transparency_record"]
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(TABLE_HEADINGS)
    for section, question in document.form.questions():
        if question.published:
            answer = _for_table(document, section, question)
            if answer.startswith(_RUNS_IN_A_SPREADSHEET):
                answer = f"'{answer}"  # a spreadsheet would take it for a formula
            writer.writerow(
                [question.number or section.number, section.title, question.title, answer, question.note]
            )
    return file.getvalue()


def _for_table(document: Document, section: Section, question: Question) -> str:
    if question.type == "prose":
        return _plain_text(document.prose.get(question.title, ""))
    answer = document.answer(section.name, question.name)
    if question.type == "figures" and isinstance(answer, list):
        return "\n".join(_figure(row) for row in answer if isinstance(row, dict))
    if blank(answer) and question.needed_if and document.answer(section.name, question.needed_if) is False:
        return "No third party is involved" if question.needed_if == "third_party" else "Does not apply"
    return _plain(answer)


def _plain_text(markdown: str) -> str:
    """Prose for a cell: a paragraph is one line, list items begin with a dot, emphasis goes."""
    text = _WRAPPED.sub(" ", markdown)
    return _EMPHASIS.sub(r"\1", _ITEM.sub("• ", text))


def _figure(row: dict[str, object]) -> str:
    ends = [_plain(row.get(name)) for name in ("low", "high")]
    interval = f" (interval {ends[0]} to {ends[1]})" if all(ends) else ""
    return (
        f"{_plain(row.get('metric'))}: {_plain(row.get('value'))} {_plain(row.get('unit'))}{interval}; "
        f"{_plain(row.get('of'))}"
    )


# --- files ----------------------------------------------------------------------------------------


def write(files: Iterable[tuple[Path, str]]) -> None:
    """Write texts to files, all or none; a file that was there is replaced whole.

    Raises:
        CivicmlError: a path is a folder, or its folder does not exist.
    """
    wanted = list(files)
    for path, _ in wanted:
        if path.is_dir():
            raise CivicmlError(f"'{path}' is a folder; name a file in it.")
        if not path.parent.is_dir():
            raise CivicmlError(f"There is no folder '{path.parent}' to write '{path.name}' to.")
    unfinished: list[tuple[Path, Path]] = []
    try:
        for path, text in wanted:
            handle, name = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
            unfinished.append((Path(name), path))
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            Path(name).chmod(0o644)
        for work, path in unfinished:
            work.replace(path)
    finally:
        for work, _ in unfinished:
            with suppress(FileNotFoundError):
                work.unlink()

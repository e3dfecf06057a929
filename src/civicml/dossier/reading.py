"""Reads a dossier's files, written by anybody, into facts and prose, and says what cannot be read.

Opens nothing but ordinary files of a sensible size inside the folder. Must not judge what an answer says.
"""

import difflib
import os
import re
import stat
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from civicml.dossier.forms import Form, forms
from civicml.errors import CivicmlError

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

FENCE = "+++"
MOST_BYTES = 100_000
"""The largest file that is read: ten times the longest document anyone would read."""
MOST_LETTERS = 20_000
"""The longest text below one heading."""

_HIDDEN = {"Cc", "Cf", "Cs", "Co"}
_HARMLESS = "\t\n\u200c\u200d\u200e\u200f\u00ad"  # joiners and marks that some scripts need, the soft hyphen


@dataclass(frozen=True)
class Problem:
    """Something to put right.

    Attributes:
        file: the file's name.
        place: where in it: ``[section] field``, a heading, a line, or nothing for the whole file.
        says: what is wrong and what to write, without a full stop.
    """

    file: str
    place: str
    says: str

    def __str__(self) -> str:
        return f"{', '.join(part for part in (self.file, self.place) if part)}: {self.says}."


@dataclass(frozen=True)
class Document:
    """One document as it was written.

    Attributes:
        form: what it should answer.
        facts: the TOML tables, by section, then by field; numbers with a point are ``Decimal``.
        prose: the Markdown below each heading, without comments.
        problems: what could not be read; facts and prose hold the rest.
        readable: whether there is anything to check.
    """

    form: Form
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    prose: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    problems: tuple[Problem, ...] = ()
    readable: bool = True

    def answer(self, section: str, name: str) -> Any:  # noqa: ANN401 - whatever TOML can say
        """What was answered, as it stands in the file; None if nothing was."""
        table = self.facts.get(section)
        return table.get(name) if isinstance(table, dict) else None


@dataclass(frozen=True)
class Dossier:
    """The documents in a folder, each read as far as it could be."""

    folder: Path
    documents: tuple[Document, ...]

    def __getitem__(self, name: str) -> Document:
        """The document called `name`, such as ``model_card``."""
        return next(document for document in self.documents if document.form.name == name)


def read(folder: Path) -> Dossier:
    """Read the dossier in `folder`. A file that is missing or broken is a problem of its document, no error.

    Raises:
        CivicmlError: there is no such folder.
    """
    if not folder.is_dir():
        what = "is a file and not a folder" if folder.exists() else "does not exist"
        raise CivicmlError(f"'{folder}' {what}. 'civicml dossier new {folder}' begins a dossier.")
    present = sorted(entry.name for entry in folder.iterdir())
    return Dossier(folder, tuple(_document(folder, form, present) for form in forms()))


def _document(folder: Path, form: Form, present: list[str]) -> Document:
    try:
        text = _text(folder, form.file, present)
        if form.headings:
            top, below, first = _halves(text)
        else:
            top, below, first = text, "", 0
        facts = _facts(top)
    except _Unreadable as error:
        return Document(form, problems=(Problem(form.file, error.place, str(error)),), readable=False)
    prose, problems = _prose(form, below, first)
    return Document(form, MappingProxyType(facts), MappingProxyType(prose), tuple(problems))


class _Unreadable(Exception):  # noqa: N818 - a state of a file
    """Why a file gives nothing to check, as the end of a sentence."""

    def __init__(self, says: str, place: str = "") -> None:
        super().__init__(says)
        self.place = place


# --- the file -------------------------------------------------------------------------------------


def _text(folder: Path, file: str, present: list[str]) -> str:
    if file not in present:
        others = {name.lower().replace("-", "_").replace(" ", "_"): name for name in present}
        near = difflib.get_close_matches(file, others, 1, 0.75)
        hint = f"; is it '{tame(others[near[0]])}', under another name" if near else ""
        raise _Unreadable(f"there is no such file in '{folder}'{hint}")
    try:
        text = _bytes(folder / file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _Unreadable("is not UTF-8 text; save it as UTF-8", f"line {line}") from error
    text = text.replace("\r\n", "\n")
    if odd := unprintable(text):
        line = text.count("\n", 0, text.index(odd)) + 1
        raise _Unreadable(f"holds an invisible character (U+{ord(odd):04X}); take it out", f"line {line}")
    return text


def unprintable(text: str) -> str | None:
    """The first character of `text` that nobody can see and that may mislead, if there is one."""
    return next((c for c in text if unicodedata.category(c) in _HIDDEN and c not in _HARMLESS), None)


def _bytes(path: Path) -> bytes:
    """What an ordinary file holds. A link, a pipe and a device are refused, and never waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise _Unreadable("is a link; put the file itself here") from error
        raise _Unreadable(f"cannot be opened ({error.strerror})") from error
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise _Unreadable("is not an ordinary file")
        with os.fdopen(handle, "rb", closefd=False) as file:
            content = file.read(MOST_BYTES + 1)
    finally:
        os.close(handle)
    if len(content) > MOST_BYTES:
        raise _Unreadable(f"is larger than {MOST_BYTES // 1000} kB; a document is a few pages of text")
    return content


def _halves(text: str) -> tuple[str, str, int]:
    """Facts, prose, and the number of lines before the prose."""
    lines = text.split("\n")
    fences = [number for number, line in enumerate(lines) if line.rstrip() == FENCE]
    if not fences or any(line.strip() for line in lines[: fences[0]]):
        raise _Unreadable(f"must begin with a line that says {FENCE}, followed by the facts", "line 1")
    if len(fences) == 1:
        raise _Unreadable(f"a second line that says {FENCE} must follow the facts")
    first, second = fences[:2]
    # Empty lines in place of what is cut off keep the line numbers in messages right.
    return (
        "\n" * (first + 1) + "\n".join(lines[first + 1 : second]),
        "\n".join(lines[second + 1 :]),
        second + 1,
    )


def _facts(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except RecursionError as error:
        raise _Unreadable("the facts are nested too deeply") from error
    except tomllib.TOMLDecodeError as error:
        place = re.search(r" \(at (line \d+), column \d+\)$", str(error))
        says = str(error).removesuffix(place[0] if place else "")
        line = place[1] if place else ""
        raise _Unreadable(f"the facts are not valid TOML: {says[:1].lower()}{says[1:]}", line) from error
    except (ValueError, ArithmeticError) as error:
        raise _Unreadable("the facts hold a number of far too many digits") from error


# --- the prose ------------------------------------------------------------------------------------


def _prose(form: Form, text: str, before: int) -> tuple[dict[str, str], list[Problem]]:
    """The Markdown below each of the form's headings, and what stands where it should not."""
    text = _without_comments(text)
    lines = text.split("\n")
    found: dict[str, str] = {}
    problems = []
    headings = [*_headings(text), ("", len(lines), len(lines))]
    if any(line.strip() for line in lines[: headings[0][1]]):
        problems.append(Problem(form.file, f"line {before + 1}", "text stands above the first heading"))
    for (heading, line, start), (_, end, _) in pairwise(headings):
        place = f"line {before + line + 1}"
        if heading not in form.headings:
            problems.append(Problem(form.file, place, unknown("heading", heading, form.headings)))
        elif heading in found:
            problems.append(Problem(form.file, place, f"the heading '{heading}' is there twice"))
        else:
            found[heading] = "\n".join(lines[start:end]).strip()
    return found, problems


def _headings(text: str) -> list[tuple[str, int, int]]:
    """The headings of the first two levels: text, line, first line below."""
    tokens = _blocks().parse(text)
    return [
        (tokens[number + 1].content.strip(), token.map[0], token.map[1])
        for number, token in enumerate(tokens)
        if token.type == "heading_open" and token.tag in ("h1", "h2") and token.level == 0 and token.map
    ]


def _without_comments(text: str) -> str:
    """`text` without what stands between <!-- and -->; its lines stay where they are."""
    kept: list[str] = []
    rest = text
    while True:
        before, opened, after = rest.partition("<!--")
        comment, closed, remaining = after.partition("-->")
        if not opened or not closed:
            return "".join([*kept, rest])
        kept += [before, "\n" * comment.count("\n")]
        rest = remaining


@cache
def markdown() -> "MarkdownIt":
    """The parser of the prose: CommonMark with tables; HTML is text."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table")


@cache
def _blocks() -> "MarkdownIt":
    """A parser that looks for headings and no further: what stands within a line may be slow to read."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).disable("inline")


def tame(text: str, most: int = 60) -> str:
    """What somebody wrote, fit for a message: short, on one line, nothing that a terminal would obey."""
    short = text if len(text) <= most else f"{text[:most]}…"
    return "".join(letter if letter.isprintable() else "�" for letter in short)


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """That nothing asks for `name`, with the nearest name or all of them."""
    listed = list(known)
    near = difflib.get_close_matches(name, listed, 1, 0.6)
    hint = f"do you mean '{near[0]}'" if near else f"it can be {', '.join(listed)}"
    return f"there is no {kind} '{tame(name)}' in this form; {hint}"

"""Begins a dossier: a folder of documents in which every field says what it is for, with an example.

Knows forms; must not know how answers are judged.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from civicml.dossier.forms import Form, Question, Section, forms, shown
from civicml.dossier.reading import FENCE, unprintable
from civicml.errors import CivicmlError

LONGEST_TITLE = 200


def new(folder: Path, title: str = "") -> tuple[Path, ...]:
    """Write an empty dossier to `folder`, which does not exist yet or is empty.

    Args:
        folder: where; the folder around it must exist.
        title: the dossier's title, if it is known already.

    Returns:
        The files, in the order in which to fill them.

    Raises:
        CivicmlError: there is something at `folder`, nothing around it, or the title is no title.
    """
    if len(title) > LONGEST_TITLE or unprintable(title) or "\n" in title or "\t" in title:
        raise CivicmlError(f"A title is one line of at most {LONGEST_TITLE} characters.")
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise CivicmlError(f"'{folder}' exists already; name a folder that does not, or an empty one.")
    if not folder.parent.is_dir():
        raise CivicmlError(f"There is no folder '{folder.parent}' to put '{folder.name}' in.")
    work = Path(tempfile.mkdtemp(prefix=".dossier-", dir=folder.parent))
    try:
        for form in forms():
            (work / form.file).write_text(template(form, title), encoding="utf-8")
        work.chmod(0o755)
        work.replace(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return tuple(folder / form.file for form in forms())


def template(form: Form, title: str = "") -> str:
    """The text of an empty document: facts with comments, then headings with comments."""
    lines = [*_opening(form)]
    for section in form.sections:
        lines += _section(section, title)
    if not form.headings:
        return "\n".join(lines) + "\n"
    lines += [FENCE]
    for question in form.headings.values():
        lines += ["", f"## {question.title}", "", *_guidance(question)]
    return "\n".join(lines) + "\n"


def _opening(form: Form) -> Iterator[str]:
    if form.headings:
        yield FENCE
    yield f"# {form.title}. {form.purpose}"
    yield f"# {form.source}."
    yield "#"
    yield "# Write between the quotation marks."
    yield '# Dates, numbers, true and false stand without them: "" becomes 2026-02-27.'
    if form.headings:
        yield f"# Text goes below the headings, after the second line of {FENCE}."
    yield "# 'civicml dossier check' says what is missing. Lines that begin with # are for you alone."


def _section(section: Section, title: str) -> Iterator[str]:
    facts = [question for question in section.fields if question.type != "prose"]
    if not facts:
        return
    yield ""
    plain = [question for question in facts if not question.is_rows]
    if plain:
        yield f"[{section.name}]"
    for question in plain:
        yield from _comment(question, question.example)
        given = title if (section.name, question.name) == ("dossier", "title") else ""
        yield f"{question.name} = {_gap(question, given)}"
    for question in facts:  # a block of rows ends the section's own keys, so they come last
        if question.is_rows:
            yield from _rows(section, question, after=bool(plain))
            plain = [question]


def _rows(section: Section, question: Question, *, after: bool) -> Iterator[str]:
    if after:
        yield ""
    yield from _comment(question, None)
    yield "# Copy the block below as often as you need it."
    choices = next((part.choices for part in question.parts if part.every_choice), ("",))
    for number, choice in enumerate(choices):
        if number:
            yield ""
        yield f"[[{section.name}.{question.name}]]"
        for part in question.parts:
            if not number:
                yield from _comment(part, part.example)
            yield f"{part.name} = {_gap(part, choice if part.every_choice else '')}"


def _comment(question: Question, example: object) -> Iterator[str]:
    optional = " (optional)" if question.optional else ""
    needed = f" (if {question.needed_if} is true)" if question.needed_if else ""
    yield f"# {question.ask[:1].upper()}{question.ask[1:]}{optional}{needed}."
    if example is not None:
        yield f"# Example: {shown(example)}"


def _gap(question: Question, given: str) -> str:
    match question.type:
        case "quantity":
            return '{ value = "", unit = "" }'
        case "list":
            return "[]"
        case _:
            return shown(given)


def _guidance(question: Question) -> Iterator[str]:
    yield f"<!-- Write {question.ask}."
    if question.example:
        yield f"     Example: {question.example}"
    yield "     Leave this comment or delete it: it is not part of the document. -->"

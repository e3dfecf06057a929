"""Rules for a lesson: its sections in order, one exercise with a folded solution, every output read.

They must not know how a lesson is run.
"""

import re
from collections.abc import Iterator

from civicml.standard.sheet import Problem, Section, Sheet, count_words, parse

LEARN, WHY, TRY, TAKE, FURTHER = (
    "What you will learn",
    "Why a department cares",
    "Try it",
    "Take away",
    "Go further",
)
SECTIONS = (LEARN, WHY, TRY, TAKE, FURTHER)
"""The headings, of the second level, that every lesson has, in this order; others may stand between."""
FEWEST_WORDS, MOST_WORDS = 700, 1_400
MOST_UNREAD = 2
"""Outputs that one passage may read together."""
FEWEST_READING = 5
"""Words that make a sentence about an output."""

_YEAR = re.compile(r"\b(?:19|20)\d\d\b")


def check_lesson(sheet: Sheet) -> Iterator[Problem]:
    """Every rule of a lesson, beyond those of any notebook."""
    yield from check_sections(sheet)
    yield from check_lists(sheet)
    yield from check_exercise(sheet)
    yield from check_length(sheet)
    yield from check_outputs_read(sheet)


def check_sections(sheet: Sheet) -> Iterator[Problem]:
    """The five sections are there, once, in order."""
    found = [heading.text for heading in sheet.headings if heading.level == 2 and heading.text in SECTIONS]
    for title in SECTIONS:
        if title not in found:
            yield sheet.problem(None, f"the section '## {title}' is missing.")
        elif found.count(title) > 1:
            yield sheet.problem(None, f"the section '## {title}' is there {found.count(title)} times.")
    present = [title for title in SECTIONS if title in found]
    for title, expected in zip(dict.fromkeys(found), present, strict=True):
        if title != expected:
            section = sheet.section(title)
            yield sheet.problem(
                section.heading.cell if section else None,
                f"the section '## {title}' comes too early: '## {expected}' goes before it.",
            )
            return


def check_lists(sheet: Sheet) -> Iterator[Problem]:
    """Three outcomes, three lines to take away, two or three dated sources to go further."""
    yield from _counted(sheet, LEARN, 3, 3, "outcomes")
    yield from _counted(sheet, TAKE, 3, 3, "lines")
    yield from _counted(sheet, FURTHER, 2, 3, "sources")
    further = sheet.section(FURTHER)
    for item in further.items if further else []:
        if not _YEAR.search(item):
            yield _in(sheet, further, f"'{item}' names no year; give title, publisher and year.")


def _counted(sheet: Sheet, title: str, fewest: int, most: int, what: str) -> Iterator[Problem]:
    section = sheet.section(title)
    if section and not fewest <= len(section.items) <= most:
        wanted = f"{fewest}" if fewest == most else f"{fewest} or {most}"
        yield _in(sheet, section, f"'{title}' should list {wanted} {what}; it lists {len(section.items)}.")


def _in(sheet: Sheet, section: Section | None, sentence: str) -> Problem:
    return sheet.problem(section.heading.cell if section else None, sentence)


def check_exercise(sheet: Sheet) -> Iterator[Problem]:
    """The exercise has a solution that is folded away until it is wanted."""
    section = sheet.section(TRY)
    if section and not any(_folded(sheet, position) for position in section.cells):
        yield _in(
            sheet, section, "'Try it' has no folded solution: use <details>, or a code cell shut by default."
        )


def _folded(sheet: Sheet, position: int) -> bool:
    cell = sheet.notebook.cells[position - 1]
    if cell.cell_type == "markdown":
        return "<details" in cell.source
    return bool(cell.metadata.get("jupyter", {}).get("source_hidden"))


def check_length(sheet: Sheet) -> Iterator[Problem]:
    """Long enough to teach, short enough to read in one sitting."""
    words = count_words([token for _, token in sheet.markdown])
    if not FEWEST_WORDS <= words <= MOST_WORDS:
        yield sheet.problem(
            None, f"it has {words} words of prose; a lesson has {FEWEST_WORDS} to {MOST_WORDS:,}."
        )


def check_outputs_read(sheet: Sheet) -> Iterator[Problem]:
    """After every output, or two that are read together, what it says and what it does not."""
    unread: list[int] = []
    for position, cell in sheet.cells:
        if cell.cell_type == "markdown" and count_words(parse(cell.source)) >= FEWEST_READING:
            if len(unread) > MOST_UNREAD:
                yield sheet.problem(
                    unread[0],
                    f"{len(unread)} outputs stand in a row from here, and no sentence between them says what "
                    "they show.",
                )
            unread = []
        elif cell.get("outputs") and not cell.source.startswith("%%writefile"):
            unread.append(position)
    if unread:
        yield sheet.problem(unread[0], "no sentence follows its output to say what it shows.")

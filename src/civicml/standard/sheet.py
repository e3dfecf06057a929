"""One file of a week under inspection: where it is, what is in it, what to say of it.

Every rule is a function from a :class:`Sheet` to the :class:`Problem` sentences it finds.
This module knows notebooks and Markdown; it must not know any rule.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

from markdown_it import MarkdownIt
from markdown_it.token import Token

if TYPE_CHECKING:
    from nbformat import NotebookNode

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_WORD = re.compile(r"[^\W_]+(?:['’.,-][^\W_]+)*")


@dataclass(frozen=True)
class Problem:
    """One thing that is not as the standard says."""

    file: str
    """From the course's root: ``modules/week01_workbench/lab.ipynb``."""
    cell: int | None
    """Counted from 1 over all cells; None where the file as a whole is meant."""
    sentence: str

    def __str__(self) -> str:
        return f"{self.file}{f', cell {self.cell}' if self.cell else ''}: {self.sentence}"


@dataclass(frozen=True)
class Heading:
    """A Markdown heading."""

    level: int
    text: str
    cell: int | None


@dataclass(frozen=True)
class Section:
    """What stands under a heading, down to the next heading of its level or above."""

    heading: Heading
    tokens: tuple[Token, ...]
    """Markdown of the section, without the heading itself; code cells are not in it."""
    cells: tuple[int, ...]
    """Positions of the cells that the section reaches over, from 1."""

    @property
    def items(self) -> list[str]:
        """The texts of its outermost list items."""
        return list_items(self.tokens)

    @property
    def words(self) -> int:
        """How many words of prose it holds."""
        return count_words(self.tokens)


@dataclass(frozen=True)
class Sheet:
    """A notebook, or a Markdown file taken as one of a single cell."""

    name: str
    """From the course's root, for sentences."""
    notebook: "NotebookNode"
    whole: bool = False
    """It is one text, so that counting its cells tells nobody anything."""

    @classmethod
    def of_text(cls, name: str, text: str) -> Self:
        """A Markdown file."""
        from nbformat.v4 import new_markdown_cell, new_notebook

        cell = new_markdown_cell(text)  # type: ignore[no-untyped-call]
        return cls(name, new_notebook(cells=[cell]), whole=True)  # type: ignore[no-untyped-call]

    def problem(self, cell: int | None, sentence: str) -> Problem:
        """Say `sentence` of this file."""
        return Problem(self.name, None if self.whole else cell, sentence)

    @property
    def cells(self) -> Iterator[tuple[int, "NotebookNode"]]:
        """Every cell with its position, counted from 1."""
        return enumerate(self.notebook.cells, start=1)

    @property
    def code(self) -> Iterator[tuple[int, "NotebookNode"]]:
        """Code cells that hold something."""
        return ((n, cell) for n, cell in self.cells if cell.cell_type == "code" and cell.source.strip())

    @cached_property
    def markdown(self) -> list[tuple[int, Token]]:
        """The Markdown of all text cells as tokens, each with its cell's position."""
        return [
            (n, token)
            for n, cell in self.cells
            if cell.cell_type == "markdown"
            for token in parse(cell.source)
        ]

    @cached_property
    def headings(self) -> list[Heading]:
        """The headings, top to bottom."""
        return [
            Heading(int(token.tag[1]), plain_text(inline), n)
            for (n, token), (_, inline) in zip(self.markdown, self.markdown[1:], strict=False)
            if token.type == "heading_open"
        ]

    def section(self, title: str, level: int = 2) -> Section | None:
        """The section under the heading `title`, if there is one."""
        heading = next((h for h in self.headings if h.level == level and h.text == title), None)
        if heading is None:
            return None
        tokens: list[Token] = []
        inside = False
        end = len(self.notebook.cells)
        for number, (n, token) in enumerate(self.markdown):
            if token.type == "heading_open" and int(token.tag[1]) <= level:
                if inside:
                    end = n
                    break
                inside = plain_text(self.markdown[number + 1][1]) == title
            elif inside:
                tokens.append(token)
        # The first inline token is the heading's own text.
        return Section(heading, tuple(tokens[2:]), tuple(range(heading.cell or 1, end + 1)))


def parse(markdown: str) -> list[Token]:
    """Markdown as markdown-it's tokens."""
    return _MARKDOWN.parse(markdown)


def plain_text(token: Token) -> str:
    """The text of an inline token, without its emphasis and links."""
    return "".join(
        " " if child.type in ("softbreak", "hardbreak") else child.content for child in token.children or ()
    ).strip()


def list_items(tokens: tuple[Token, ...] | list[Token]) -> list[str]:
    """The texts of the outermost list items, with what is nested in them."""
    items: list[list[str]] = []
    depth = 0
    for token in tokens:
        if token.type == "list_item_open":
            depth += 1
            if depth == 1:
                items.append([])
        elif token.type == "list_item_close":
            depth -= 1
        elif token.type == "inline" and depth:
            items[-1].append(plain_text(token))
    return [" ".join(parts) for parts in items]


def paragraphs(tokens: tuple[Token, ...] | list[Token]) -> list[str]:
    """The texts of paragraphs, list items and table cells: all prose but the headings."""
    texts = []
    heading = False
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            heading = token.type == "heading_open"
        elif token.type == "inline" and not heading:
            texts.append(plain_text(token))
    return texts


def count_words(tokens: tuple[Token, ...] | list[Token]) -> int:
    """How many words of prose: paragraphs, lists, tables; no headings, no blocks of code."""
    return sum(len(_WORD.findall(text)) for text in paragraphs(tokens))

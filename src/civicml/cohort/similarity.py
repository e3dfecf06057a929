"""Which answers look alike beyond what the lab gives everybody, whatever their names and layout.

Fingerprints are chosen by winnowing (Schleimer, Wilkerson and Aiken, SIGMOD 2003) over tokens in which
the author's own names are all one. Packages that do this drop the names of library functions
too, and then every pandas answer looks like every other. It knows text, no cohort.
"""

import ast
import hashlib
import io
import keyword
import re
import tokenize
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RUN = 8
"""Tokens that have to agree in a row to count at all."""
WINDOW = 5
"""Of so many runs in a row one is kept: any shared piece of ``RUN + WINDOW - 1`` tokens is found."""
FEWEST = 8
"""Fingerprints that an answer needs before likeness says anything."""
COMMON = 0.3
"""A piece that more than this share of submissions has is how one answers, not whom one asked."""

_SKIPPED = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENDMARKER, tokenize.ENCODING,
}  # fmt: skip
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Pair:
    """Two submissions that share more than chance and the lab explain.

    Attributes:
        one: whose the first is.
        other: whose the second is.
        share: of the distinctive pieces of the one that has fewer, how many the other has too; 0 to 1.
        pieces: how many those are.
        parts: in which answers, the most alike first.
    """

    one: str
    other: str
    share: float
    pieces: int
    parts: tuple[str, ...]


def alike(
    submissions: Mapping[str, Mapping[str, str]],
    released: Mapping[str, str],
    *,
    at_least: float = 0.5,
    most: int = 20,
) -> list[Pair]:
    """The pairs of submissions that are most alike, the most alike first.

    Args:
        submissions: for each learner, each answer's source by its name; names that end in ``.md`` are prose.
        released: what everybody was given, by the same names.
        at_least: the share of pieces from which a pair is listed.
        most: how many pairs to list.
    """
    from scipy.sparse import csr_array

    given = {name: fingerprints(text, name) for name, text in released.items()}
    learners = list(submissions)
    columns: dict[tuple[str, int], int] = {}
    rows, places = [], []
    for row, learner in enumerate(learners):
        for name, source in submissions[learner].items():
            for mark in fingerprints(source, name) - given.get(name, frozenset()):
                rows.append(row)
                places.append(columns.setdefault((name, mark), len(columns)))
    if not rows:
        return []
    table = csr_array((np.ones(len(rows), dtype=np.int32), (rows, places)), (len(learners), len(columns)))
    holders = np.asarray(table.sum(axis=0)).ravel()
    # Two who share it are a pair however small the cohort.
    table = table[:, holders <= max(2, COMMON * len(learners))]
    names = np.array([name for name, _ in columns])[holders <= max(2, COMMON * len(learners))]
    sizes = np.asarray(table.sum(axis=1)).ravel()
    shared = (table @ table.T).tocoo()
    pairs = []
    for one, other, pieces in zip(shared.row, shared.col, shared.data, strict=True):
        fewest = min(sizes[one], sizes[other])
        if one < other and fewest >= FEWEST and pieces / fewest >= at_least:
            pairs.append((float(pieces / fewest), int(pieces), int(one), int(other)))
    pairs.sort(key=lambda pair: (-pair[0], -pair[1], pair[2], pair[3]))
    return [
        Pair(learners[one], learners[other], share, pieces, _parts(table, names, one, other))
        for share, pieces, one, other in pairs[:most]
    ]


def _parts(
    table: "object", names: "np.ndarray[tuple[int], np.dtype[np.str_]]", one: int, other: int
) -> tuple[str, ...]:
    both = table[[one]].multiply(table[[other]]).tocoo().col  # type: ignore[index]
    found, counts = np.unique(names[both], return_counts=True)
    return tuple(str(found[place]) for place in np.argsort(-counts, kind="stable"))


def fingerprints(source: str, name: str = "") -> frozenset[int]:
    """The pieces of an answer that stand for it; the same for the same code under other names.

    Args:
        source: Python, or prose if `name` ends in ``.md``.
        name: what the answer is called.
    """
    tokens = _words(source) if name.endswith(".md") else _tokens(source)
    runs = [
        int.from_bytes(
            hashlib.blake2b("\0".join(tokens[at : at + RUN]).encode(), digest_size=6).digest(), "big"
        )
        for at in range(len(tokens) - RUN + 1)
    ]
    return frozenset(_winnow(runs))


def _winnow(runs: Sequence[int]) -> set[int]:
    """The smallest of each window of runs."""
    return {min(runs[at : at + WINDOW]) for at in range(max(1, len(runs) - WINDOW + 1))} if runs else set()


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _tokens(source: str) -> list[str]:
    """Python's tokens without comments and layout; the author's own names are all ``n``, texts all ``s``."""
    own = _own_names(source)
    tokens = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type in _SKIPPED:
                continue
            if token.type == tokenize.STRING:
                tokens.append("s")
            elif token.type == tokenize.NAME and not keyword.iskeyword(token.string):
                tokens.append("n" if own is None or token.string in own else token.string)
            else:
                tokens.append(token.string)
    except (tokenize.TokenError, SyntaxError):
        pass  # what came before the fault counts
    return tokens


def _own_names(source: str) -> set[str] | None:
    """The names that this code gives to things; None when it does not parse, and any name may be one."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                names.add(name)
            case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.ExceptHandler(name=str(name)) | ast.alias(asname=str(name)):
                names.add(name)
    return names

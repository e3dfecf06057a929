"""Whose name is it: the lab's, the learner's, or a library's? Read off the instructor's notebook.

A test that uses ``appointments`` should get the lab's own table where the lab loads it in a locked cell
and no question asks for it, and the learner's where a question does. It must not run anything.
"""

import ast
import builtins
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

_MUTATORS = frozenset(
    {
        "append", "extend", "insert", "clear", "remove", "sort", "setdefault", "add", "discard",
        "fit", "partial_fit", "set_params", "put", "resize", "fill", "load_state_dict",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Statement:
    """A statement of a locked cell that the tests' side may run for itself."""

    cell: int
    source: str
    binds: tuple[str, ...]


@dataclass(frozen=True)
class Names:
    """Who owns the names of a lab."""

    imports: tuple[tuple[str, str, str], ...]
    """(name, module, attribute or nothing)."""
    statements: tuple[Statement, ...]
    learners: tuple[tuple[int, tuple[str, ...]], ...]
    """The names that each of the learner's cells binds in the lab's own solution, by cell."""


def read_names(cells: Iterable[tuple[int, str, str]]) -> Names:
    """Read the cells of an instructor's notebook.

    Args:
        cells: (number, kind, source); the kind is ``learner``, ``lab`` or ``test``.
    """
    parsed = [(number, kind, source, parse(source)) for number, kind, source in cells]
    learners = tuple(
        (number, tuple(sorted(touched(tree)))) for number, kind, _, tree in parsed if kind == "learner"
    )
    theirs = {name for _, names in learners for name in names}
    imports = {
        name: target
        for name, target in _imports(tree for _, _, _, tree in parsed).items()
        if target is not None and name not in theirs
    }
    owned: set[str] = set()
    statements = []
    known = set(vars(builtins)) | set(imports)
    for number, kind, source, tree in parsed:
        if kind != "lab":
            continue
        for statement in tree.body:
            binds = touched(ast.Module([statement], []))
            if not binds or binds & theirs or not _repeatable(statement, known | owned | binds):
                # What cannot be had here is had from the learner's side, along with all that follows from it.
                owned -= binds
                continue
            owned |= binds
            segment = ast.get_source_segment(source, statement) or ast.unparse(statement)
            statements.append(Statement(number, segment, tuple(sorted(binds))))
    kept = tuple(s for s in statements if set(s.binds) <= owned)
    return Names(tuple((name, *target) for name, target in sorted(imports.items())), kept, learners)


def parse(source: str) -> ast.Module:
    """The syntax tree of a cell; of one that is no Python, an empty one."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        plain = "\n".join("" if line.lstrip()[:1] in ("%", "!") else line for line in source.splitlines())
        try:
            return ast.parse(plain)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return ast.Module([], [])


def touched(tree: ast.Module) -> set[str]:
    """The names that a cell binds, deletes or changes at its top level; imports do not count."""
    return {name for node in _outside_functions(tree) for name in _touches(node)}


def used(source: str) -> set[str]:
    """Every name that a cell reads, at any depth."""
    return {
        node.id
        for node in ast.walk(parse(source))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(
            child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda | ast.comprehension
        ):
            yield from _outside_functions(child)


def _touches(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load):
        yield from _base(node)
    elif isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        in_place = any(word.arg == "inplace" for word in node.keywords)
        if in_place or node.func.attr in _MUTATORS:
            yield from _base(node.func)


def _base(node: ast.AST) -> Iterator[str]:
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id


def _imports(trees: Iterable[ast.Module]) -> dict[str, tuple[str, str] | None]:
    found: dict[str, tuple[str, str] | None] = {}
    for tree in trees:
        for node in ast.walk(tree):
            pairs: list[tuple[str, tuple[str, str]]] = []
            if isinstance(node, ast.Import):
                pairs = [
                    (a.asname, (a.name, ""))
                    if a.asname
                    else (a.name.partition(".")[0], (a.name.partition(".")[0], ""))
                    for a in node.names
                ]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                pairs = [(a.asname or a.name, (node.module, a.name)) for a in node.names if a.name != "*"]
            for name, target in pairs:
                found[name] = target if found.get(name, target) == target else None
    return found


def _repeatable(statement: ast.stmt, known: set[str]) -> bool:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return True
    if not isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.For | ast.If | ast.Expr):
        return False
    local = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    local |= {n.arg for n in ast.walk(statement) if isinstance(n, ast.arg)}
    read = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    return read <= known | local


def as_message(names: Names) -> dict[str, Any]:
    """For the judge."""
    return {
        "imports": [list(item) for item in names.imports],
        "statements": [[s.cell, s.source, list(s.binds)] for s in names.statements],
        "learners": [[number, list(bound)] for number, bound in names.learners],
    }

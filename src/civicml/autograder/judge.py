# ruff: noqa: ANN401 - values of any kind pass through here
"""The process that runs the tests, and never a line of a learner's code.

A name that a test uses is the test's own, the lab's, a library's, or else it is asked for over the channel.
What a test finds is told to the grader as a verdict. It must not write anywhere.
"""

import ast
import asyncio
import builtins
import contextlib
import importlib
import inspect
import io
import linecache
import os
import signal
import sys
import traceback
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from civicml.autograder.beside import lay_out
from civicml.autograder.channel import Channel, ChannelError
from civicml.autograder.remote import TESTS, Gone, Link, RefusedError, Remote, Watch, is_nan, is_plain_number
from civicml.autograder.runs import Follower
from civicml.autograder.values import NotDataError, UnreadableError

_MOST_PLACES = 5000
_LONGEST_MESSAGE = 2000


class Places(Watch):
    """Where the lab's own solution gives an object and where data; learned once, held to ever after.

    An object of a learner's own may stand where the lab's solution has an object. Where that has data,
    an object could claim to equal whatever it is compared with, so data is required.
    """

    def __init__(self, known: dict[str, list[str]] | None) -> None:
        self.known = known
        self.seen: dict[str, set[str]] = {}

    def data(self, path: str, value: Any) -> None:
        """Note it; a number that is none is refused where the lab's own solution has one."""
        if self.known is None:
            self._note(path, "nan" if is_nan(value) else "number" if is_plain_number(value) else "data")
        elif is_nan(value) and self.known.get(path) == ["number"]:
            raise AssertionError(f"{_readable(path)} is not a number (NaN).")

    def object(self, path: str, what: str, name: str) -> None:
        """Note it; refuse it where the lab's own solution has data."""
        if self.known is None:
            self._note(path, "object")
            return
        if what == "iterator" or "object" in self.known.get(path, ()):
            return
        inside, bracket, _ = path.rpartition("[")
        if path in self.known or (bracket and inside in self.known and "object" not in self.known[inside]):
            raise RefusedError(f"{_readable(path)} should be data, and is an object of the kind '{name}'.")

    def may_compare(self, path: str) -> bool:
        """Where the lab's own solution has an object too."""
        return self.known is None or "object" in self.known.get(path, ())

    def _note(self, path: str, what: str) -> None:
        if len(self.seen) < _MOST_PLACES:
            self.seen.setdefault(path, set()).add(what)


def _readable(path: str) -> str:
    return f"What '{path}' gives" if "(" in path else f"'{path}'"


class Namespace(dict[str, Any]):
    """The tests' global names. One that is missing is looked for where it belongs."""

    def __init__(self, link: Link, told: dict[str, Any]) -> None:
        super().__init__()
        self._link = link
        self._imports = {name: (module, attribute) for name, module, attribute in told["imports"]}
        self._waiting = [(cell, source, tuple(binds)) for cell, source, binds in told["statements"]]
        self._lab = list(self._waiting)
        self._learners = {name for _, names in told["learners"] for name in names}
        self._bound_by = {cell: tuple(names) for cell, names in told["learners"]}
        self._theirs: dict[str, Any] = {}
        self._taken: dict[str, Any] = {}
        self._calls = 0
        self._cell = -1
        self.update({"__name__": TESTS, "__builtins__": _builtins(), "__doc__": None})

    def begin(self, cell: int) -> None:
        """A test cell starts: what the learner's side has is fetched anew."""
        for learners_cell, names in self._bound_by.items():
            if self._cell < learners_cell < cell:
                for name in names:
                    self.pop(name, None)
        self._cell = cell
        self._theirs.clear()
        self._renew_changed()
        have = set(dict.keys(self))
        for name in {n for where, _, binds in self._waiting if where < cell for n in binds} & have:
            self._run_statements(name)

    def _renew_changed(self) -> None:
        """What the lab defines and a learner's function changed is made anew: no later test sees it."""
        changed = {id(value) for value in self._link.changed}
        self._link.changed.clear()
        spoilt = {name for _, _, binds in self._lab for name in binds if id(dict.get(self, name)) in changed}
        for item in self._lab:
            if spoilt & set(item[2]) and item not in self._waiting:
                self._waiting.append(item)
        self._waiting.sort(key=self._lab.index)
        for name in spoilt:
            del self[name]

    def __missing__(self, name: str) -> Any:
        if name in self._imports:
            module, attribute = self._imports[name]
            with contextlib.suppress(ImportError, AttributeError):
                found = importlib.import_module(module)
                self[name] = getattr(found, attribute) if attribute else found
                return self[name]
        if self._run_statements(name):
            return self[name]
        if hasattr(builtins, name) and name not in self._learners:
            raise KeyError(name)
        if name.startswith("__") and name.endswith("__"):
            raise KeyError(name)
        return self._fetch(name)

    def __contains__(self, name: object) -> bool:
        if super().__contains__(name):
            return True
        if not isinstance(name, str) or (name.startswith("__") and name.endswith("__")):
            return False
        return name in self._link.ask({"do": "names"}, (), ":names")

    def __delitem__(self, name: str) -> None:
        """A test takes a learner's name away, to see whether other code of the learner's relies on it."""
        if super().__contains__(name):
            super().__delitem__(name)
            return
        before = self[name]
        self._link.ask({"do": "take", "name": name}, (), ":take")
        self._taken[name] = before
        self._theirs.pop(name, None)

    def __setitem__(self, name: str, value: Any) -> None:
        """What was taken away is put back where it was; anything else is the tests' own."""
        if name in self._taken and value is self._taken[name]:
            del self._taken[name]
            self._link.ask({"do": "put back", "name": name}, (), ":put back")
            return
        super().__setitem__(name, value)

    def get(self, name: str, default: Any = None) -> Any:
        """As a notebook's `globals().get`."""
        try:
            return self[name]
        except KeyError:
            return default

    def _fetch(self, name: str) -> Any:
        if self._link.calls != self._calls:
            self._theirs.clear()
            self._calls = self._link.calls
        if name not in self._theirs:
            try:
                self._theirs[name] = self._link.ask({"do": "name", "name": name}, (), name)
            except NameError:
                raise KeyError(name) from None
        return self._theirs[name]

    def _run_statements(self, name: str) -> bool:
        due = [item for item in self._waiting if name in item[2] and item[0] < self._cell]
        for item in due:
            if item in self._waiting:
                self._waiting.remove(item)
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(compile(item[1], f"<cell {item[0]}>", "exec"), self)  # noqa: S102 - the lab's own
        return bool(due) and dict.__contains__(self, name)


class _Kind(type):
    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        if len(arguments) == 1 and isinstance(arguments[0], Remote) and not named:
            return arguments[0].__class__
        return type(*arguments, **named)

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, type)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, type)

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is type

    def __hash__(cls) -> int:
        return hash(type)


class _type(metaclass=_Kind):  # noqa: N801 - it stands for the built-in
    """`type`, which also knows the kind of an object that lives elsewhere."""


def _builtins() -> types.ModuleType:
    made = types.ModuleType("builtins")
    made.__dict__.update(vars(builtins))
    made.__dict__["type"] = _type
    made.__dict__["input"] = None
    return made


_getsource: Callable[[Any], str] = inspect.getsource


def _source_of(value: Any) -> str:
    """`inspect.getsource`, also of what a learner defined."""
    if isinstance(value, Remote):
        link = value._civicml_link
        return str(
            link.ask({"do": "source", "of": value._civicml_number}, (), value._civicml_path + ":source")
        )
    return _getsource(value)


class Judge:
    """Runs test cells, one after the other, in one namespace."""

    def __init__(self, channel: Channel, told: dict[str, Any], store: Path | None) -> None:
        os.environ.update(told["variables"])
        self.places = Places(told["places"])
        self.link = Link(channel, trusting=False, watch=self.places)
        self._runs = Follower(store, lambda what: self.link.ask({"do": what}, (), f":{what}"))
        self.link.after_call = self._runs.follow
        self.names = Namespace(self.link, told["names"])
        sys.modules[TESTS] = types.ModuleType(TESTS)
        inspect.getsource = _source_of  # type: ignore[assignment]

    def test(self, message: dict[str, Any]) -> dict[str, Any]:
        """Run one test cell and say how it went."""
        if not self._canaries():
            return {"status": "void", "error": "", "message": "The tests' own checks gave wrong answers."}
        source, file = message["source"], f"<{message['name']}>"
        self.names.begin(message["cell"])
        printed = io.StringIO()
        verdict: dict[str, Any] = {}
        result = None
        try:
            with contextlib.redirect_stdout(printed):
                self._runs.follow()
                result = self._run(source, file)
            verdict["status"] = "done"
            verdict["result"] = _shown(result)
        except BaseException as error:
            verdict = {"status": "failed", **_failure(error, source, file)}
        verdict["printed"] = printed.getvalue()[:20_000]
        return verdict

    def _run(self, source: str, file: str) -> Any:
        tree = ast.parse(_plain_python(source), file)
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        self._execute(compile(tree, file, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT))
        if not isinstance(last, ast.Expr):
            return None
        value = self._execute(
            compile(ast.Expression(last.value), file, "eval", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        )
        quiet = source.rstrip().endswith(";")
        return None if quiet else value

    def _execute(self, code: types.CodeType) -> Any:
        value = eval(code, self.names)  # noqa: S307 - the lab's own tests
        if inspect.iscoroutine(value) and code.co_flags & inspect.CO_COROUTINE:
            return asyncio.run(value)
        return value

    def _canaries(self) -> bool:
        """One check that must fail and one that must hold, run as a test is run."""
        if builtins.AssertionError is not _AssertionError or "AssertionError" in dict.keys(self.names):
            return False
        try:
            self._run("assert 1 + 1 == 3, 'canary'", "<canary>")
        except _AssertionError as error:
            if str(error) != "canary":
                return False
        except BaseException:
            return False
        else:
            return False
        try:
            self._run("assert 1 + 1 == 2", "<canary>")
        except BaseException:
            return False
        return True


_AssertionError = AssertionError


def _plain_python(source: str) -> str:
    if not any(line.lstrip()[:1] in ("%", "!", "?") for line in source.splitlines()):
        return source
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell(source)  # type: ignore[no-untyped-call]


def _shown(value: Any) -> str | None:
    """What a notebook would show for the last expression: nbgrader reads a part of the points from it."""
    if value is None or isinstance(value, Remote):
        return None
    return repr(value)[:200]


def _failure(error: BaseException, source: str, file: str) -> dict[str, Any]:
    lines = [line for name, line in _lines_of(error) if name == file]
    text = str(error) if not isinstance(error, Gone) else "The code ended or was stopped while it was tested."
    own = isinstance(error, RefusedError | UnreadableError | NotDataError)
    shown = traceback.format_exception_only(type(error), error)
    place = f"line {lines[-1]} of {file[1:-1]}" if lines else file[1:-1]
    quoted = (
        source.splitlines()[lines[-1] - 1].strip() if lines and lines[-1] <= len(source.splitlines()) else ""
    )
    return {
        "error": "AssertionError" if own else type(error).__name__,
        "message": text[:_LONGEST_MESSAGE],
        "line": lines[-1] if lines else 0,
        "said": "" if own else _written_message(source, lines[-1] if lines else 0, error),
        "known": next((kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"), ""),
        "where": getattr(error, "__civicml_where__", None),
        "from_learner": bool(getattr(error, "__civicml_remote__", False)),
        "gone": isinstance(error, Gone | ChannelError),
        "traceback": [f"{place}: {quoted}", *(line.rstrip() for line in shown)],
    }


def _written_message(source: str, line: int, error: BaseException) -> str:
    """What the failed `assert` says, as it is written: no value that a test or a function made is in it."""
    if type(error) is not _AssertionError:
        return ""
    found = [
        node
        for node in ast.walk(ast.parse(_plain_python(source)))
        if isinstance(node, ast.Assert) and node.lineno <= line <= (node.end_lineno or line)
    ]
    message = max(found, key=lambda node: node.lineno).msg if found else None
    return _written(message).strip() if message is not None else ""


def _written(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_written(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _written(node.left) + _written(node.right)
    return "…" if isinstance(node, ast.FormattedValue) else ""


def _lines_of(error: BaseException) -> Iterator[tuple[str, int]]:
    step = error.__traceback__
    while step is not None:
        yield step.tb_frame.f_code.co_filename, step.tb_lineno
        step = step.tb_next


def run(control: Channel, data: Channel, store: Path | None) -> None:
    """Serve the grader until it goes away."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    judge: Judge | None = None
    while True:
        try:
            message, parts = control.receive()
            if message["op"] == "prepare":
                lay_out(message["files"], parts)
                judge = Judge(data, message, store)
                control.send({})
            elif judge is not None:
                verdict = judge.test(message)
                if judge.places.known is None:
                    verdict["places"] = {path: sorted(kinds) for path, kinds in judge.places.seen.items()}
                control.send(verdict)
        except KeyboardInterrupt:
            continue
        except ChannelError:
            return

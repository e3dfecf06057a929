# ruff: noqa: ANN401 - values of any kind pass through here
"""Using an object where it lives: the tests hold a stand-in, the learner's process holds the object.

Two `Link`s talk over one channel. Arguments and results cross as data (`civicml.autograder.values`); what is
no data crosses as a number, and stays where it is. This module must not know what is being tested.
"""

import asyncio
import builtins
import collections
import collections.abc
import contextlib
import functools
import inspect
import io
import math
import operator
import pickle
import random
import sys
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from civicml.autograder.channel import Channel
from civicml.autograder.values import (
    Node,
    NotDataError,
    Reader,
    UnreadableError,
    Writer,
    error_node,
    known_error,
    make_error,
)

_MOST_OBJECTS = 200_000
_DEEPEST = 40
_MOST_TEXT = 100_000

_UNARY: dict[str, Callable[[Any], Any]] = {
    "__len__": len, "__iter__": iter, "__next__": next, "__bool__": bool, "__float__": float, "__int__": int,
    "__index__": operator.index, "__hash__": hash, "__neg__": operator.neg, "__pos__": operator.pos,
    "__abs__": abs, "__invert__": operator.invert, "__reversed__": reversed, "__complex__": complex,
    "__enter__": lambda value: type(value).__enter__(value),
    "__str__": str, "__repr__": repr, "__dir__": dir,
}  # fmt: skip
_BINARY: dict[str, Callable[..., Any]] = {
    "__getitem__": operator.getitem, "__contains__": operator.contains, "__delitem__": operator.delitem,
    "__setitem__": operator.setitem, "__round__": round,
    "__exit__": lambda value, *error: type(value).__exit__(value, None, None, None),
}  # fmt: skip
_COMPARING: dict[str, Callable[..., Any]] = {
    f"__{name}__": getattr(operator, f"__{name}__")
    for name in (
        "eq", "ne", "lt", "le", "gt", "ge", "add", "sub", "mul", "truediv", "floordiv", "mod", "pow",
        "matmul",
        "and", "or", "xor", "lshift", "rshift",
    )
}  # fmt: skip


def _reflected(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, other: operation(other, value)


_REFLECTED: dict[str, Callable[..., Any]] = {
    f"__r{name}__": _reflected(getattr(operator, f"__{name}__"))
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
}
_OPERATIONS = {**_UNARY, **_BINARY, **_COMPARING, **_REFLECTED}
_ITERATORS = (collections.abc.Iterator,)


class Gone(BaseException):
    """The learner's process has ended. Not an `Exception`, so that no test takes it for an answer."""


class RefusedError(Exception):
    """An object came where the lab asks for data."""


class Link:
    """One end. Asks the other end to do things with its objects, and serves its requests meanwhile."""

    def __init__(self, channel: Channel, *, trusting: bool, watch: "Watch | None" = None) -> None:
        """`trusting`: serve everything and accept pickles, as the learner's own process may."""
        self.channel = channel
        self.trusting = trusting
        self.watch = watch or Watch()
        self.serve_more: Callable[[dict[str, Any], list[Any]], Any] | None = None
        self.after_call: Callable[[], None] = lambda: None
        self.calls = 0
        self.changed: list[Any] = []
        """What calls have changed in place, of all that was passed to them."""
        self._objects: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}
        self._kinds: dict[int, type[BaseException]] = {}
        self._depth = 0
        self._random = _random_state()

    # --- asking

    def ask(self, what: dict[str, Any], values: tuple[Any, ...] = (), path: str = "") -> Any:
        """Have the other side do `what` with `values`; the result arrives as seen from `path`."""
        nodes, parts, sizes = self._pack(values)
        message: dict[str, Any] = {**what, "values": nodes, "sizes": sizes}
        if not self.trusting:
            state = _random_state()
            if state != self._random:
                writer = Writer()
                message["random"] = writer.write(list(_whole_random_state()))
                message["sizes"] = [*sizes, len(writer.parts)]
                parts += writer.parts
                self._random = state
        self.channel.send(["ask", message], parts)
        while True:
            reply, data = self.channel.receive()
            if not isinstance(reply, list) or len(reply) != 2 or not isinstance(reply[1], dict):
                raise UnreadableError("An answer came back damaged.")
            if reply[0] == "ask":
                self._serve_nested(reply[1], data)
            elif reply[0] == "tell":
                break
            else:
                raise UnreadableError("An answer came back damaged.")
        return self._unpack(reply[1], data, values, path)

    def _pack(self, values: tuple[Any, ...]) -> tuple[list[Node], list[Any], list[int]]:
        nodes, parts, sizes = [], [], []
        for value in values:
            writer = Writer(self.handle)
            nodes.append(writer.write(value))
            parts += writer.parts
            sizes.append(len(writer.parts))
        return nodes, parts, sizes

    def _unpack(self, told: dict[str, Any], parts: list[Any], values: tuple[Any, ...], path: str) -> Any:
        reader = Reader(parts, self.resolve, path)
        if isinstance(told.get("printed"), str):
            sys.stdout.write(told["printed"][:_MOST_TEXT])
        for warning in _listed(told.get("warned"))[:20]:
            kind = known_error(str(warning[0])) or UserWarning
            if issubclass(kind, Warning):
                warnings.warn(str(warning[1])[:2000], kind, stacklevel=2)
        for place, node in _listed(told.get("changed")):
            if type(place) is int and 0 <= place < len(values):
                change(values[place], reader.read(node))
                self.changed.append(values[place])
        if "error" in told:
            error = self._error(reader, told["error"])
            error.__civicml_where__ = _checked_place(told.get("where"))  # type: ignore[attr-defined]
            raise error
        if type(told.get("same")) is int and 0 <= told["same"] < len(values):
            return values[told["same"]]
        before = reader._nodes
        value = reader.read(told.get("value"))
        if reader._nodes == before or not (type(told.get("value")) is list and told["value"][0] == "handle"):
            self.watch.data(path, value)
        return _to_be_awaited(value) if told.get("awaited") is True else value

    def _error(self, reader: Reader, node: Node) -> BaseException:
        if type(node) is list and len(node) == 5 and node[0] == "own error":
            kind = self._kinds.get(node[1]) if type(node[1]) is int else None
            values = tuple(reader.read(value) for value in _listed(node[3])[:10])
            error = make_error(kind or Exception, values, str(node[4]))
        else:
            error = reader.read(node)
        if not isinstance(error, BaseException):
            raise UnreadableError("An answer came back damaged.")
        error.__civicml_remote__ = True  # type: ignore[attr-defined]
        return error

    # --- serving

    def serve(self, message: dict[str, Any], parts: list[Any]) -> None:
        """Do what the other side asks and tell it the result."""
        writer = Writer(self.handle)
        try:
            reply = self._do(message, parts, writer)
        except Gone:
            raise
        except BaseException as error:
            writer = Writer(self.handle)
            reply = {"error": self._error_node(error, writer)}
        self.channel.send(["tell", reply], writer.parts)

    def _serve_nested(self, message: dict[str, Any], parts: list[Any]) -> None:
        self._depth += 1
        try:
            if self._depth > _DEEPEST:
                raise Gone("The learner's code and the tests call each other without end.")
            self.serve(message, parts)
        finally:
            self._depth -= 1

    def _do(self, message: dict[str, Any], parts: list[Any], writer: Writer) -> dict[str, Any]:
        sizes, nodes = message["sizes"], message["values"]
        received, start = [], 0
        for size in sizes:
            received.append(parts[start : start + size])
            start += size
        if self.trusting and "random" in message:
            _restore_random_state(Reader(received[-1]).read(message["random"]))
        values = [
            Reader(own, self.resolve).read(node)
            for node, own in zip(nodes, received[: len(nodes)], strict=True)
        ]
        if not self.trusting:
            result = self._do_carefully(message, values)
            return {"value": writer.write(result)}
        printed = _Printed()
        with warnings.catch_warnings(record=True) as warned, contextlib.redirect_stdout(printed):
            try:
                result = self._perform(message, values)
                reply: dict[str, Any] = {}
                if inspect.iscoroutine(result):
                    result, reply["awaited"] = asyncio.run(result), True
            except BaseException as error:
                result, reply = None, {"error": self._error_node(error, writer), "where": _place(error)}
        if printed.getvalue():
            reply["printed"] = printed.getvalue()
        if warned:
            reply["warned"] = [
                [f"{w.category.__module__}.{w.category.__qualname__}", str(w.message)] for w in warned[:20]
            ]
        reply["changed"] = self._changed(values, nodes, received, writer)
        if "error" not in reply:
            same = [place for place, value in enumerate(values) if value is result and _mutable(value)]
            reply["same" if same else "value"] = same[0] if same else writer.write(result)
        return reply

    def _changed(
        self, values: list[Any], nodes: list[Node], parts: list[list[Any]], writer: Writer
    ) -> list[Any]:
        changed = []
        for place, value in enumerate(values):
            if not _mutable(value):
                continue
            again = Writer(self.handle)
            node = again.write(value)
            if node != nodes[place] or [bytes(p) for p in again.parts] != [bytes(p) for p in parts[place]]:
                changed.append([place, writer.write(value)])
        return changed

    def _perform(self, message: dict[str, Any], values: list[Any]) -> Any:  # noqa: PLR0911 - one for each request
        operation = message["do"]
        if "of" in message:
            subject = self._objects[message["of"]]
            if operation == "get":
                return getattr(subject, message["name"])
            if operation == "set":
                return setattr(subject, message["name"], values[0])
            if operation == "call":
                names = message["names"]
                plain = values[: len(values) - len(names)]
                return subject(*plain, **dict(zip(names, values[len(plain) :], strict=True)))
            if operation == "operate":
                return _OPERATIONS[message["name"]](subject, *values)
            if operation == "signature":
                return _signature(subject)
            if operation == "isinstance":
                return isinstance(values[0], subject)
            if operation == "source":
                return inspect.getsource(subject)
            return dict(vars(subject))
        if self.serve_more is None:
            raise ValueError(operation)
        return self.serve_more(message, values)

    def _do_carefully(self, message: dict[str, Any], values: list[Any]) -> Any:
        """What a learner's code may do with an object of the tests: call it, step it, read what is public."""
        subject = self._objects[message["of"]]
        if message["do"] == "call" and callable(subject):
            names = [str(name) for name in message["names"]]
            plain = values[: len(values) - len(names)]
            return subject(*plain, **dict(zip(names, values[len(plain) :], strict=True)))
        if message["do"] == "operate" and message["name"] in (
            "__next__",
            "__iter__",
            "__len__",
            "__getitem__",
        ):
            return _OPERATIONS[message["name"]](subject, *values)
        if message["do"] == "get" and not str(message["name"]).startswith("_") and _made_by_a_test(subject):
            return getattr(subject, str(message["name"]))
        if message["do"] == "get" and message["name"] in (
            "__name__",
            "__qualname__",
            "__module__",
            "__doc__",
        ):
            return getattr(subject, message["name"])
        raise AttributeError("This object of the tests can only be called.")

    def _error_node(self, error: BaseException, writer: Writer) -> Node:
        node = error_node(error, writer)
        kind = type(error)
        if kind.__module__ == "__main__" and self.trusting:
            return ["own error", self._number(kind), node[1], node[2], node[3]]
        return node

    # --- objects

    def handle(self, value: Any) -> Node | None:
        """A node for an object that stays here."""
        if isinstance(value, Remote):
            return ["handle", "yours", object.__getattribute__(value, "_civicml_number")]
        if isinstance(value, type) and issubclass(value, BaseException):
            own = getattr(value, "_civicml_number", None)
            if own is not None:
                return ["handle", "yours", own]
        if not self.trusting and not _stays(value):
            return ["handle", "pickled", pickle.dumps(value).hex()]
        return ["handle", "mine", self._number(value), _described(value)]

    def _number(self, value: Any) -> int:
        number = self._numbers.get(id(value))
        if number is None:
            if len(self._objects) >= _MOST_OBJECTS:
                raise NotDataError("There are too many objects.")
            number = len(self._objects) + 1
            self._objects[number] = value
            self._numbers[id(value)] = number
        return number

    def resolve(self, node: list[Any], path: str) -> Any:
        """The object, or the stand-in, for a handle's node."""
        if node[1] == "yours":
            return self._objects[node[2]]
        if node[1] == "pickled" and self.trusting:
            return pickle.loads(bytes.fromhex(node[2]))  # noqa: S301 - from the tests, into the learner's process
        if node[1] != "mine" or type(node[2]) is not int or not isinstance(node[3], dict):
            raise UnreadableError("An answer came back damaged.")
        return self._stand_in(node[2], node[3], path)

    def _stand_in(self, number: int, told: dict[str, Any], path: str) -> Any:
        kinds = tuple(str(name) for name in _listed(told.get("kinds"))[:40])
        operations = frozenset(str(name) for name in _listed(told.get("operations"))[:80]) & _STAND_IN_METHODS
        name, what = str(told.get("name"))[:80], str(told.get("what"))
        if not self.trusting:
            self.watch.object(path, what, name)
        if what == "error kind":
            return self._error_kind(number, name, kinds)
        kind = _stand_in_kind(name if name.isidentifier() else "object", operations)
        made = object.__new__(kind)
        for slot, value in (
            ("_civicml_link", self), ("_civicml_number", number), ("_civicml_path", path),
            ("_civicml_what", what), ("_civicml_kinds", kinds),
        ):  # fmt: skip
            object.__setattr__(made, slot, value)
        return made

    def _error_kind(self, number: int, name: str, kinds: tuple[str, ...]) -> type[BaseException]:
        if number not in self._kinds:
            base = next((found for kind in kinds if (found := known_error(kind))), Exception)
            own = name if name.isidentifier() else "Error"
            # Made here, so that `except` and `pytest.raises` take it.
            self._kinds[number] = type(own, (base,), {"_civicml_number": number, "__module__": "__main__"})
        return self._kinds[number]


def _place(error: BaseException) -> list[Any] | None:
    """The line, and what it is in, of a notebook's cell where an error came up."""
    found, step = None, error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        if code.co_filename.startswith("<ipython-input"):
            found = [step.tb_lineno, code.co_name]
        step = step.tb_next
    return found


def _checked_place(told: Any) -> list[Any] | None:
    good = isinstance(told, list) and len(told) == 2 and type(told[0]) is int and type(told[1]) is str
    return [told[0], told[1][:60]] if good and 0 < told[0] < 100_000 else None


class Watch:
    """Sees at which places of the tests objects arrive, and where data. This one allows everything."""

    def data(self, path: str, value: Any) -> None:
        """`value` arrived at `path`."""

    def object(self, path: str, what: str, name: str) -> None:
        """An object arrived at `path`; raises `RefusedError` where that may not be."""

    def may_compare(self, path: str) -> bool:
        """Whether an object at `path` may decide what it equals."""
        return True


class Remote:
    """A stand-in. What is done with it is done with the object that it stands for."""

    __slots__ = (
        "__weakref__",
        "_civicml_kinds",
        "_civicml_link",
        "_civicml_number",
        "_civicml_path",
        "_civicml_what",
    )  # fmt: skip
    _civicml_link: Link
    _civicml_number: int
    _civicml_path: str
    _civicml_what: str
    _civicml_kinds: tuple[str, ...]

    def __getattr__(self, name: str) -> Any:
        if name == "__signature__":
            return _read_signature(_ask(self, "signature", {}, (), ":signature"))
        if name in _NEVER:
            raise AttributeError(name)
        if name == "__dict__":
            return _ask(self, "vars", {}, (), ":vars")
        own = _played_here(self, name)
        if own is not None:
            return own
        return _ask(self, "get", {"name": name}, (), f".{name}")

    def __setattr__(self, name: str, value: Any) -> None:
        _ask(self, "set", {"name": name}, (value,), ":set")

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        what = self._civicml_what
        if what in _PYTHON_KINDS:
            return _PYTHON_KINDS[what]
        for name in self._civicml_kinds:
            found = known_kind(name)
            if found is not None:
                return found
        return type(self)

    @property
    def __doc__(self) -> Any:  # type: ignore[override]
        return _ask(self, "get", {"name": "__doc__"}, (), ".__doc__")

    @property
    def __module__(self) -> Any:  # type: ignore[override]
        return _ask(self, "get", {"name": "__module__"}, (), ".__module__")

    def __instancecheck__(self, value: Any) -> bool:
        return isinstance(value, Remote) and bool(_ask(self, "isinstance", {}, (value,), ":isinstance"))

    def __hash__(self) -> int:
        return hash(self._civicml_number)

    def __eq__(self, other: object) -> Any:
        if isinstance(other, Remote) and other._civicml_number == self._civicml_number:
            return True
        return _compare(self, "__eq__", other, False)

    def __ne__(self, other: object) -> Any:
        return _compare(self, "__ne__", other, True)


_NEVER = frozenset(
    {
        "__array__", "__array_interface__", "__array_struct__", "__array_ufunc__", "__array_function__",
        "__array_priority__", "__dataframe__", "__arrow_c_array__", "__arrow_c_stream__", "__arrow_array__",
        "__torch_function__", "__index__", "__reduce__", "__reduce_ex__", "__getstate__", "__setstate__",
        "__wrapped__", "__fspath__", "_repr_html_", "_ipython_display_", "__isabstractmethod__",
        "__instancecheck__", "__subclasscheck__", "_civicml_number", "__set_name__", "__mro_entries__",
        "__partialmethod__", "__dataclass_fields__", "__float__",
    }
)  # fmt: skip
_PYTHON_KINDS: dict[str, type] = {
    "function": types.FunctionType, "method": types.MethodType, "built-in": types.BuiltinFunctionType,
    "kind": type, "generator": types.GeneratorType, "module": types.ModuleType,
}  # fmt: skip
_STAND_IN_METHODS = (frozenset(_OPERATIONS) - {"__hash__", "__eq__", "__ne__", "__bool__"}) | {"__call__"}


def _ask(stand_in: Remote, do: str, told: dict[str, Any], values: tuple[Any, ...], step: str) -> Any:
    link: Link = stand_in._civicml_link
    return link.ask({"do": do, "of": stand_in._civicml_number, **told}, values, stand_in._civicml_path + step)


@functools.lru_cache(maxsize=4096)
def _stand_in_kind(name: str, operations: frozenset[str]) -> type[Remote]:
    # A class is given a text and a module of its own when it is made, which would hide these two.
    methods: dict[str, Any] = {
        "__slots__": (),
        **{key: vars(Remote)[key] for key in ("__doc__", "__module__")},
    }
    for operation in operations:
        if operation == "__call__":
            methods[operation] = _calling
        elif operation in _COMPARING or operation in _REFLECTED:
            methods[operation] = functools.partialmethod(_comparing, operation)
        else:
            methods[operation] = _operating(operation)
    made = type(name, (Remote,), methods)
    return made


def _calling(self: Remote, *values: Any, **named: Any) -> Any:
    link = self._civicml_link
    link.calls += 1
    try:
        return _ask(self, "call", {"names": list(named)}, (*values, *named.values()), "()")
    finally:
        link.after_call()


def _operating(name: str) -> Any:
    def operate(self: Remote, *values: Any) -> Any:
        if name == "__exit__":
            values = ()
        step = "[]" if name in ("__getitem__", "__next__") else f":{name}"
        result = _ask(self, "operate", {"name": name}, values, step)
        expected = {"__len__": int, "__float__": float, "__int__": int, "__str__": str, "__repr__": str}.get(
            name
        )
        if expected is not None and type(result) is not expected:
            raise TypeError(f"{name} gave no {expected.__name__}.")
        if name in ("__contains__",) and not self._civicml_link.watch.may_compare(self._civicml_path):
            raise RefusedError("An object of the learner's own cannot say what is in it here.")
        return result

    return operate


def _comparing(self: Remote, name: str, other: Any) -> Any:
    return _compare(self, name, other, NotImplemented)


def _compare(stand_in: Remote, name: str, other: Any, otherwise: Any) -> Any:
    """Ask the object, unless the answer would decide the test: where the lab's own solution gives data."""
    if not isinstance(other, Remote) and not stand_in._civicml_link.watch.may_compare(stand_in._civicml_path):
        return otherwise
    return _ask(stand_in, "operate", {"name": name}, (other,), f":{name}")


def _played_here(stand_in: Remote, name: str) -> Any:
    """A model's `score` is worked out here, from what it predicts: a model does not mark itself."""
    if name != "score" or stand_in._civicml_link.trusting:
        return None
    base = sys.modules.get("sklearn.base")
    kind = stand_in.__class__
    if base is None or not isinstance(kind, type):
        return None
    for mixin in (base.ClassifierMixin, base.RegressorMixin):
        if issubclass(kind, mixin) and kind.score is mixin.score:  # type: ignore[attr-defined]
            return functools.partial(mixin.score, stand_in)
    return None


# --- describing an object -----------------------------------------------------------------------


def _described(value: Any) -> dict[str, Any]:
    kind = type(value)
    operations = [name for name in _STAND_IN_METHODS if getattr(kind, name, None) is not None]
    told = {
        "name": kind.__name__,
        "what": _what(value),
        "kinds": [f"{k.__module__}.{k.__qualname__}" for k in kind.__mro__][:40],
        "operations": operations,
    }
    if isinstance(value, type) and issubclass(value, BaseException):
        told |= {
            "what": "error kind", "name": value.__name__,
            "kinds": [f"{k.__module__}.{k.__qualname__}" for k in value.__mro__][:40],
        }  # fmt: skip
    return told


def _what(value: Any) -> str:
    for name, kind in _PYTHON_KINDS.items():
        if isinstance(value, kind):
            return name
    return "iterator" if isinstance(value, _ITERATORS) else "object"


def known_kind(name: str) -> type | None:
    """The class called `name`, if a library already imported here has it and it is not one of data."""
    module = name.partition(".")[0]
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(parts[:cut]))
        if found is None:
            continue
        for part in parts[cut:]:
            found = vars(found).get(part) if isinstance(found, type | types.ModuleType) else None
        if isinstance(found, type) and module not in ("builtins", "__main__", "civicml"):
            return None if issubclass(found, _DATA_KINDS) else found
        return None
    return None


_DATA_KINDS = (
    int, float, complex, str, bytes, list, tuple, dict, set, frozenset, np.ndarray, np.generic, pd.DataFrame,
    pd.Series, pd.Index, pd.api.extensions.ExtensionArray, BaseException, type(None), Remote,
)  # fmt: skip


def _stays(value: Any) -> bool:
    """Whether an object of the tests is called where it is, not sent: it would show the tests' code."""
    if isinstance(value, types.FunctionType | types.MethodType | types.GeneratorType | functools.partial):
        return True
    if isinstance(value, types.BuiltinFunctionType | types.ModuleType | np.ufunc):
        return False
    if isinstance(value, type):
        return value.__module__ == TESTS
    if _made_by_a_test(value) or (isinstance(value, _ITERATORS) and not isinstance(value, io.IOBase)):
        return True
    try:
        return TESTS.encode() in pickle.dumps(value)
    except Exception:
        return True


TESTS = "civicml_tests"
"""What the tests' namespace calls itself; a class with this module was defined in a test cell."""


def _made_by_a_test(value: Any) -> bool:
    return any(kind.__module__ == TESTS for kind in type(value).__mro__)


def _signature(value: Any) -> list[Any]:
    found = inspect.signature(value)
    empty = inspect.Parameter.empty

    def shown(annotation: Any) -> Any:
        return None if annotation is empty else getattr(annotation, "__name__", str(annotation))

    parameters = [
        [
            p.name,
            int(p.kind),
            p.default is not empty,
            None if p.default is empty else p.default,
            shown(p.annotation),
        ]
        for p in found.parameters.values()
    ]
    return [parameters, shown(found.return_annotation)]


def _read_signature(told: Any) -> inspect.Signature:
    parameters, result = told
    empty = inspect.Parameter.empty
    return inspect.Signature(
        [
            inspect.Parameter(
                name,
                inspect._ParameterKind(kind),
                default=default if given else empty,
                annotation=_annotation(note),
            )
            for name, kind, given, default, note in parameters
        ],
        return_annotation=_annotation(result),
    )


def _annotation(name: str | None) -> Any:
    if name is None:
        return inspect.Parameter.empty
    found = getattr(builtins, name, None)
    if isinstance(found, type):
        return found
    return {"DataFrame": pd.DataFrame, "Series": pd.Series, "ndarray": np.ndarray}.get(name, name)


# --- changes that a call makes to what it was given ----------------------------------------------


def _mutable(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return isinstance(
        value,
        list | dict | set | bytearray | collections.deque | np.ndarray | pd.DataFrame | pd.Series
        | np.random.Generator | np.random.RandomState,
    ) or (torch is not None and isinstance(value, torch.Tensor))  # fmt: skip


def change(old: Any, new: Any) -> None:  # noqa: PLR0912 - one for each kind
    """Make `old` equal to `new` in place, where it is of the same kind and can be changed."""
    if type(old) is not type(new):
        return
    if isinstance(old, list):
        for place, (before, after) in enumerate(zip(old, new, strict=False)):
            if _mutable(before) and type(before) is type(after):
                change(before, after)
                new[place] = before
        old[:] = new
    elif isinstance(old, dict):
        for key, before in old.items():
            if _mutable(before) and type(before) is type(new.get(key)):
                change(before, new[key])
                new[key] = before
        old.clear()
        old.update(new)
    elif isinstance(old, set):
        old.clear()
        old.update(new)
    elif isinstance(old, bytearray):
        old[:] = new
    elif isinstance(old, collections.deque):
        old.clear()
        old.extend(new)
    elif isinstance(old, pd.DataFrame | pd.Series):
        old._update_inplace(new)  # type: ignore[operator]
    elif isinstance(old, np.ndarray):
        if old.shape == new.shape and old.dtype == new.dtype and old.flags.writeable:
            old[...] = new
    elif isinstance(old, np.random.Generator):
        old.bit_generator.state = new.bit_generator.state
    elif isinstance(old, np.random.RandomState):
        old.set_state(new.get_state())
    elif old.shape == new.shape and old.dtype == new.dtype:
        old.data.copy_(new.data)


async def _to_be_awaited(value: Any) -> Any:
    return value


class _Printed(io.StringIO):
    """Keeps the beginning of what is printed."""

    def write(self, text: str) -> int:
        if self.tell() < _MOST_TEXT:
            super().write(str(text)[: _MOST_TEXT - self.tell()])
        return len(text)


def _listed(value: Any) -> list[Any]:
    return value if type(value) is list else []


# --- chance -------------------------------------------------------------------------------------


def _random_state() -> tuple[Any, ...]:
    """A short mark of the global generators' state: equal while nobody seeds them or draws."""
    name, keys, place, has_gauss, gauss = np.random.get_state()
    torch = sys.modules.get("torch")
    own = torch.initial_seed() if torch is not None and hasattr(torch, "initial_seed") else 0
    return (name, int(keys[0]), int(keys[-1]), place, has_gauss, gauss, hash(random.getstate()), own)


def _whole_random_state() -> tuple[Any, ...]:
    torch = sys.modules.get("torch")
    seed = torch.get_rng_state() if torch is not None and hasattr(torch, "get_rng_state") else None
    return np.random.get_state(legacy=False), random.getstate(), seed


def _restore_random_state(state: Any) -> None:
    numpy_state, python_state, torch_state = state
    np.random.set_state(numpy_state)
    random.setstate(python_state)
    if torch_state is not None:
        sys.modules["torch"].set_rng_state(torch_state)


def is_plain_number(value: Any) -> bool:
    """Whether `value` is a number that can be NaN."""
    return isinstance(value, float | np.floating)


def is_nan(value: Any) -> bool:
    """Whether `value` is one number, and not a number."""
    return is_plain_number(value) and math.isnan(value)

# ruff: noqa: ANN401 - values of any kind pass through here
"""Values as plain data: what can cross from a learner's process to the tests, and back.

Numbers, text, containers, arrays, tables, tensors, errors. Never code: a subclass arrives as the plain
type below it, and what is not data becomes a *handle*, which the caller provides and resolves.
The reading side trusts nothing: kinds, sizes and depths are checked, and nothing is imported or unpickled.
"""

import collections
import datetime as dt
import decimal
import enum
import fractions
import functools
import pathlib
import re
import sys
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from civicml.autograder.channel import Buffer

Node = Any
"""A value, as JSON: null, true, a number or text stand for themselves, all else is ``[tag, …]``."""

_DEEPEST = 60
_MOST_NODES = 5_000_000
_SMALL = 1 << 53
_DTYPE = re.compile(r"^[<>|=]?[biufcmMSUV]\d*(\[[^\]]{1,12}\])?$")


class NotDataError(Exception):
    """A value that is no data, where only data can go."""


class UnreadableError(Exception):
    """What came is not a value, or is too large."""


class Writer:
    """Turns values into nodes; bytes are collected beside them."""

    def __init__(self, handle: Callable[[Any], Node | None] | None = None) -> None:
        """`handle` is asked for a node for what is no data; None, or a None from it, refuses."""
        self.parts: list[Buffer] = []
        self._handle = handle
        self._depth = 0
        self._nodes = 0

    def write(self, value: Any) -> Node:
        """The node for `value`.

        Raises:
            NotDataError: it, or something in it, cannot be sent.
        """
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int and -_SMALL < value < _SMALL:
            return value
        if kind is float:
            return value
        self._depth += 1
        self._nodes += 1
        try:
            if self._depth > _DEEPEST:
                raise NotDataError("A value is nested too deeply, or contains itself.")
            if self._nodes > _MOST_NODES:
                raise NotDataError("A value has too many parts.")
            for base, write in _WRITERS:
                if isinstance(value, base):
                    node = write(self, value)
                    if node is not None:
                        return node
                    break
            node = _write_from_lazy_libraries(self, value)
            if node is None and self._handle is not None:
                node = self._handle(value)
            if node is None:
                raise NotDataError(f"A '{_kind_name(value)}' is an object, not data.")
            return node
        finally:
            self._depth -= 1

    def part(self, data: Buffer) -> int:
        """Keep bytes; returns their number."""
        self.parts.append(data)
        return len(self.parts) - 1

    def all(self, values: Any) -> list[Node]:
        """Nodes for each of `values`."""
        return [self.write(value) for value in values]


class Reader:
    """Turns nodes back into values. Fresh for each message, since it holds the budget."""

    def __init__(
        self, parts: Sequence[Buffer], handle: Callable[[list[Any], str], Any] | None = None, path: str = ""
    ) -> None:
        """`handle` turns a handle's node, found at a path, into a value; None refuses them."""
        self.parts = parts
        self._handle = handle
        self._nodes = 0
        self.path = path

    def read(self, node: Node) -> Any:
        """The value of `node`.

        Raises:
            UnreadableError: it is not a value.
        """
        kind = type(node)
        if node is None or kind in (bool, str, int, float):
            return node
        self._nodes += 1
        if self._nodes > _MOST_NODES or kind is not list or not node or type(node[0]) is not str:
            raise UnreadableError("An answer came back damaged.")
        if node[0] == "handle":
            if self._handle is None:
                raise UnreadableError("An object came back where only data can.")
            return self._handle(node, self.path)
        reader = _READERS.get(node[0])
        if reader is None:
            raise UnreadableError("An answer came back damaged.")
        try:
            return reader(self, *node[1:])
        except (UnreadableError, MemoryError):
            raise
        except RecursionError:
            raise UnreadableError("An answer came back nested too deeply.") from None
        except Exception as error:
            raise UnreadableError(f"An answer came back damaged ({type(error).__name__}).") from error

    def at(self, step: str, node: Node) -> Any:
        """The value of a node inside this one, `step` further down the path."""
        if type(node) is not list:
            return self.read(node)
        before, self.path = self.path, self.path + step
        try:
            return self.read(node)
        finally:
            self.path = before

    def bytes(self, number: int) -> Buffer:
        """A part, by number."""
        if type(number) is not int or number < 0:
            raise UnreadableError("An answer came back damaged.")
        return self.parts[number]


def _kind_name(value: Any) -> str:
    return str(type(value).__name__)[:80]


# --- plain Python -------------------------------------------------------------------------------


def _write_int(writer: Writer, value: int) -> Node:
    number = int.__int__(value)
    return number if -_SMALL < number < _SMALL else ["int", format(number, "x")]


def _write_dict(writer: Writer, value: dict[Any, Any]) -> Node:
    pairs = [[writer.write(key), writer.write(inner)] for key, inner in dict.items(value)]
    if type(value) is collections.Counter:
        return ["counter", pairs]
    if type(value) is collections.OrderedDict:
        return ["ordered", pairs]
    if type(value).__module__ == "sklearn.utils._bunch":
        return ["bunch", pairs]
    return ["dict", pairs]


def _write_tuple(writer: Writer, value: tuple[Any, ...]) -> Node:
    names = getattr(type(value), "_fields", None)
    if type(value) is not tuple and isinstance(names, tuple) and all(isinstance(n, str) for n in names):
        return ["named", _kind_name(value), list(names), writer.all(tuple.__iter__(value))]
    return ["tuple", writer.all(tuple.__iter__(value))]


def _read_named(reader: Reader, kind: str, names: list[str], nodes: list[Node]) -> Any:
    if len(names) != len(nodes) or len(names) > 200 or not str(kind).isidentifier():
        raise UnreadableError("An answer came back damaged.")
    return _named_kind(kind, tuple(map(str, names)))(
        *(reader.at(f"[{number}]", node) for number, node in enumerate(nodes))
    )


@functools.lru_cache(maxsize=64)
def _named_kind(kind: str, names: tuple[str, ...]) -> Any:
    return collections.namedtuple(kind, names, rename=True)


def _read_pairs(reader: Reader, pairs: list[list[Node]]) -> dict[Any, Any]:
    result = {}
    for key, inner in pairs:
        name = reader.read(key)
        result[name] = reader.at(f"[{name!r}]" if type(name) is str and len(name) < 60 else "[]", inner)
    return result


def _read_bunch(reader: Reader, pairs: list[list[Node]]) -> Any:
    from sklearn.utils import Bunch

    return Bunch(**_read_pairs(reader, pairs))


def _read_counter(reader: Reader, pairs: list[list[Node]]) -> Any:
    counter: collections.Counter[Any] = collections.Counter()
    dict.update(counter, _read_pairs(reader, pairs))
    return counter


def _write_enum(writer: Writer, value: enum.Enum) -> Node:
    for plain in (int, str, float):
        if isinstance(value, plain):
            return writer.write(value.value)
    return None


def _write_pattern(writer: Writer, value: re.Pattern[Any]) -> Node:
    return ["pattern", writer.write(value.pattern), value.flags]


def _read_datetime(reader: Reader, text: str, zone: str | None) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    return moment.replace(tzinfo=_zone(zone)) if zone else moment


def _write_datetime(writer: Writer, value: dt.datetime) -> Node:
    zone = str(value.tzinfo) if value.tzinfo is not None else None
    return ["datetime", dt.datetime.isoformat(value.replace(tzinfo=None)), zone]


def _zone(name: str) -> dt.tzinfo:
    if name in ("UTC", "utc", "tzutc()"):
        return dt.UTC
    match = re.fullmatch(r"(?:UTC)?([+-])(\d\d):(\d\d)", name)
    if match:
        offset = dt.timedelta(hours=int(match[2]), minutes=int(match[3]))
        return dt.timezone(offset if match[1] == "+" else -offset)
    import zoneinfo

    return zoneinfo.ZoneInfo(name)


_SAFE_KINDS: dict[str, type] = {
    f"{kind.__module__}.{kind.__qualname__}": kind
    for kind in (
        int, float, complex, bool, str, bytes, list, tuple, dict, set, frozenset, object, type(None), range,
        dt.date, dt.datetime, dt.time, dt.timedelta, decimal.Decimal, fractions.Fraction,
        collections.OrderedDict, collections.Counter, collections.defaultdict, collections.deque,
        np.ndarray, np.generic, *set(np.sctypeDict.values()),
        pd.DataFrame, pd.Series, pd.Index, pd.MultiIndex, pd.RangeIndex, pd.DatetimeIndex,
        pd.Timestamp, pd.Timedelta, pd.Period, pd.Interval, pd.Categorical, pd.CategoricalDtype,
    )
}  # fmt: skip
"""Kinds that the tests may get to hold: none does harm when it is called."""


def _write_kind(writer: Writer, value: type) -> Node:
    name = f"{type.__getattribute__(value, '__module__')}.{type.__getattribute__(value, '__qualname__')}"
    return ["kind", name] if _SAFE_KINDS.get(name) is value else None


# --- errors -------------------------------------------------------------------------------------


def error_node(error: BaseException, writer: Writer) -> Node:
    """An error as data: the names of its kinds, what it was made with, what it says."""
    kinds = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__][:20]
    try:
        text = str(error)[:20_000]
    except BaseException:  # the learner's own __str__
        text = ""
    mark, count = len(writer.parts), 0
    arguments: list[Node] = []
    try:
        for argument in error.args[:10]:
            arguments.append(writer.write(argument) if count < 10 else None)
            count += 1
    except BaseException:
        del writer.parts[mark:]
        arguments = [text]
    return ["error", kinds, arguments, text]


def read_error(reader: Reader, kinds: list[str], arguments: list[Node], text: str) -> BaseException:
    """An error of the nearest kind that is known here; it is never *made*, so no code of its kind runs."""
    known = next((found for name in kinds[:20] if (found := known_error(str(name)))), Exception)
    values = tuple(reader.read(argument) for argument in arguments[:10])
    return make_error(known, values, str(text))


def make_error(kind: type[BaseException], values: tuple[Any, ...], text: str) -> BaseException:
    """An instance of `kind` that says `text`, without running its ``__init__``."""
    try:
        made = kind.__new__(kind, *values)
    except TypeError:
        made = kind.__new__(kind)
    made.args = values
    try:
        same = str(made) == text
    except Exception:
        same = False
    return made if same else _saying(kind, text, values)


def _saying(kind: type[BaseException], text: str, values: tuple[Any, ...]) -> BaseException:
    told = type(kind.__name__, (kind,), {"__str__": lambda self: text, "__module__": kind.__module__})
    try:
        made = told.__new__(told)  # type: ignore[call-overload]
    except TypeError:
        return Exception(text)
    made.args = values
    return made  # type: ignore[no-any-return]


def known_error(name: str) -> type[BaseException] | None:
    """The error called `name`, ``module.Name``, if a library that is already imported has it."""
    module, _, kind = name.rpartition(".")
    if module.partition(".")[0] in ("__main__", "civicml") and not module.startswith("civicml.errors"):
        return None
    found = getattr(sys.modules.get(module), kind, None) if kind.isidentifier() else None
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


# --- numpy --------------------------------------------------------------------------------------


def _dtype_text(kind: np.dtype[Any]) -> str | None:
    return kind.str if kind.names is None and not kind.hasobject and _DTYPE.match(kind.str) else None


def _write_array(writer: Writer, value: np.ndarray[Any, Any]) -> Node:
    if isinstance(value, np.ma.MaskedArray):
        return [
            "masked",
            _write_array(writer, np.asarray(value.data)),
            _write_array(writer, np.ma.getmaskarray(value)),
        ]
    plain = np.ndarray.view(value, np.ndarray)
    if plain.dtype.names is not None and not plain.dtype.hasobject:
        columns = [
            [name, _write_array(writer, np.ascontiguousarray(plain[name]))] for name in plain.dtype.names
        ]
        return ["record", list(plain.shape), columns]
    text = _dtype_text(plain.dtype)
    if text is None:
        if plain.dtype != object:
            return None
        return ["objects", list(plain.shape), writer.all(plain.ravel().tolist())]
    fortran = plain.ndim > 1 and plain.flags.f_contiguous and not plain.flags.c_contiguous
    flat = np.ascontiguousarray(plain.T if fortran else plain)
    return [
        "array",
        text,
        list(plain.shape),
        fortran,
        writer.part(flat.reshape(-1).view(np.uint8).data if flat.size else b""),
    ]


def _read_array(
    reader: Reader, text: str, shape: list[int], fortran: bool, number: int
) -> np.ndarray[Any, Any]:
    kind = _plain_dtype(text)
    sizes = _shape(shape)
    data = (
        np.frombuffer(bytearray(reader.bytes(number)), dtype=kind) if kind.itemsize else np.empty(sizes, kind)
    )
    return data.reshape(sizes[::-1]).T if fortran else data.reshape(sizes)


def _plain_dtype(text: str) -> np.dtype[Any]:
    if type(text) is not str or not _DTYPE.match(text):
        raise UnreadableError("An array came back damaged.")
    return np.dtype(text)


def _shape(shape: list[int]) -> tuple[int, ...]:
    if len(shape) > 32 or any(type(n) is not int or n < 0 for n in shape):
        raise UnreadableError("An array came back damaged.")
    return tuple(shape)


def _read_objects(reader: Reader, shape: list[int], nodes: list[Node]) -> np.ndarray[Any, Any]:
    flat = np.empty(len(nodes), dtype=object)
    for place, node in enumerate(nodes):
        flat[place] = reader.at("[]", node)
    return flat.reshape(_shape(shape))


def _read_record(reader: Reader, shape: list[int], columns: list[list[Any]]) -> np.ndarray[Any, Any]:
    arrays = {str(name): reader.read(node) for name, node in columns}
    whole = np.empty(_shape(shape), dtype=[(name, array.dtype) for name, array in arrays.items()])
    for name, array in arrays.items():
        whole[name] = array
    return whole


def _write_scalar(writer: Writer, value: np.generic) -> Node:
    text = _dtype_text(value.dtype)
    return ["scalar", text, np.asarray(value).tobytes().hex()] if text else None


def _read_scalar(reader: Reader, text: str, data: str) -> Any:
    return np.frombuffer(bytes.fromhex(data), dtype=_plain_dtype(text))[0]


def _write_dtype(writer: Writer, value: np.dtype[Any]) -> Node:
    return ["dtype", "object" if value.hasobject else value.str] if value.names is None else None


def _read_dtype(reader: Reader, text: str) -> np.dtype[Any]:
    return np.dtype(object) if text == "object" else _plain_dtype(text)


def _write_generator(writer: Writer, value: np.random.Generator) -> Node:
    return ["generator", writer.write(value.bit_generator.state)]


def _read_generator(reader: Reader, node: Node) -> np.random.Generator:
    state = reader.read(node)
    kinds = {"PCG64": np.random.PCG64, "PCG64DXSM": np.random.PCG64DXSM, "MT19937": np.random.MT19937,
             "Philox": np.random.Philox, "SFC64": np.random.SFC64}  # fmt: skip
    bits = kinds[state["bit_generator"]]()
    bits.state = state
    return np.random.Generator(bits)


def _write_random_state(writer: Writer, value: np.random.RandomState) -> Node:
    return ["randomstate", writer.write(value.get_state(legacy=False))]


def _read_random_state(reader: Reader, node: Node) -> np.random.RandomState:
    made = np.random.RandomState()
    made.set_state(reader.read(node))
    return made


# --- pandas -------------------------------------------------------------------------------------


def _write_extension(writer: Writer, value: Any) -> Node:  # noqa: PLR0911 - one for each kind
    """A column or an index's values, whatever array holds them, with its exact type."""
    if isinstance(value, pd.arrays.NumpyExtensionArray):
        value = value.to_numpy()
    if isinstance(value, np.ndarray):
        return _write_array(writer, value)
    if isinstance(value, pd.Categorical):
        return [
            "category",
            _write_array(writer, value.codes),
            _write_index(writer, value.categories),
            value.ordered,
        ]
    if isinstance(value, pd.arrays.DatetimeArray):
        return ["moments", _write_array(writer, value._ndarray), None if value.tz is None else str(value.tz)]
    if isinstance(value, pd.arrays.TimedeltaArray):
        return _write_array(writer, value._ndarray)
    if isinstance(value, pd.arrays.IntegerArray | pd.arrays.FloatingArray | pd.arrays.BooleanArray):
        return ["nullable", _write_array(writer, value._data), _write_array(writer, value._mask)]  # type: ignore[union-attr]
    if isinstance(value.dtype, pd.StringDtype):
        missing = "nan" if value.dtype.na_value is not pd.NA else "NA"
        column = pa.array(value, type=pa.large_string(), from_pandas=True)
        return ["texts", _write_arrow(writer, column), value.dtype.storage, missing]
    if isinstance(value, pd.arrays.PeriodArray):
        return ["periods", _write_array(writer, value.asi8), value.freqstr]  # type: ignore[attr-defined]
    if isinstance(value, pd.arrays.IntervalArray):
        return [
            "intervals",
            _write_index(writer, value.left),
            _write_index(writer, value.right),
            value.closed,
        ]
    if isinstance(value, pd.arrays.ArrowExtensionArray):
        return ["arrow", _write_arrow(writer, value._pa_array)]  # type: ignore[attr-defined]
    if isinstance(value, pd.arrays.SparseArray):
        return ["sparse", _write_array(writer, np.asarray(value)), writer.write(value.fill_value)]
    return None


def _write_arrow(writer: Writer, column: Any) -> int:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("x", column.type)])) as stream:
        stream.write_batch(pa.record_batch([column], ["x"]))
    return writer.part(memoryview(sink.getvalue()))


def _read_arrow(reader: Reader, number: int) -> Any:
    with pa.ipc.open_stream(pa.py_buffer(bytes(reader.bytes(number)))) as stream:
        table = stream.read_all()
    table.validate(full=True)
    if table.num_columns != 1 or isinstance(table.schema.field(0).type, pa.BaseExtensionType):
        raise UnreadableError("A table came back damaged.")
    return table.column(0)


def _read_texts(reader: Reader, number: int, storage: str, missing: str) -> Any:
    kind = pd.StringDtype(storage, na_value=pd.NA if missing == "NA" else np.nan)  # type: ignore[call-overload]
    column = _read_arrow(reader, number)
    if not (pa.types.is_large_string(column.type) or pa.types.is_string(column.type)):
        raise UnreadableError("A table came back damaged.")
    return kind.__from_arrow__(column)


def _read_moments(reader: Reader, node: Node, zone: str | None) -> Any:
    plain = _of(reader.read(node), np.ndarray)
    if plain.dtype.kind != "M":
        raise UnreadableError("A table came back damaged.")
    moments = pd.DatetimeIndex(plain)
    if zone is not None:
        moments = moments.tz_localize("UTC").tz_convert(_zone(zone) if zone != "UTC" else "UTC")
    return moments.array


def _read_nullable(reader: Reader, node: Node, mask: Node) -> Any:
    data, missing = _of(reader.read(node), np.ndarray), _of(reader.read(mask), np.ndarray)
    if data.shape != missing.shape or missing.dtype != bool:
        raise UnreadableError("A table came back damaged.")
    kinds: dict[str, Any] = {
        "b": pd.arrays.BooleanArray, "i": pd.arrays.IntegerArray, "u": pd.arrays.IntegerArray,
        "f": pd.arrays.FloatingArray,
    }  # fmt: skip
    return kinds[data.dtype.kind](data, missing)


def _read_category(reader: Reader, codes: Node, categories: Node, ordered: bool) -> Any:
    kind = pd.CategoricalDtype(_of(reader.read(categories), pd.Index), ordered=bool(ordered))
    return pd.Categorical.from_codes(_of(reader.read(codes), np.ndarray), dtype=kind)


def _read_sparse(reader: Reader, node: Node, fill: Node) -> Any:
    return pd.arrays.SparseArray(reader.read(node), fill_value=reader.read(fill))


def _of(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise UnreadableError("A table came back damaged.")
    return value


def _write_index(writer: Writer, value: pd.Index) -> Node:
    if isinstance(value, pd.RangeIndex):
        return ["range index", value.start, value.stop, value.step, writer.write(value.name)]
    if isinstance(value, pd.MultiIndex):
        codes = [_write_array(writer, np.asarray(code)) for code in value.codes]
        levels = [_write_index(writer, level) for level in value.levels]
        return ["multi", levels, codes, writer.all(value.names)]
    frequency = (
        getattr(value, "freqstr", None) if isinstance(value, pd.DatetimeIndex | pd.TimedeltaIndex) else None
    )
    return ["index", _write_extension(writer, value.array), writer.write(value.name), frequency]


def _read_index(reader: Reader, node: Node, name: Node, frequency: str | None) -> pd.Index:
    values = reader.read(node)
    made = pd.Index(values, dtype=values.dtype, name=reader.read(name))
    if frequency and isinstance(made, pd.DatetimeIndex | pd.TimedeltaIndex):
        made.freq = pd.tseries.frequencies.to_offset(str(frequency))  # type: ignore[misc]
    return made  # type: ignore[no-any-return]


def _read_multi(reader: Reader, levels: list[Node], codes: list[Node], names: list[Node]) -> pd.Index:
    return pd.MultiIndex(
        levels=[_of(reader.read(level), pd.Index) for level in levels],
        codes=[_of(reader.read(code), np.ndarray) for code in codes],
        names=[reader.read(name) for name in names],
    )


def _write_series(writer: Writer, value: pd.Series) -> Node:
    return [
        "series",
        _write_index(writer, value.index),
        _write_extension(writer, value.array),
        writer.write(value.name),
    ]


def _read_series(reader: Reader, index: Node, values: Node, name: Node) -> pd.Series:
    array = reader.read(values)
    return pd.Series(  # type: ignore[no-any-return]
        array, index=_of(reader.read(index), pd.Index), dtype=array.dtype, name=reader.read(name), copy=False
    )


def _write_frame(writer: Writer, value: pd.DataFrame) -> Node:
    columns = [_write_extension(writer, value._ixs(place, axis=1).array) for place in range(value.shape[1])]  # type: ignore[operator]
    return ["frame", _write_index(writer, value.index), _write_index(writer, value.columns), columns]


def _read_frame(reader: Reader, index: Node, names: Node, columns: list[Node]) -> pd.DataFrame:
    labels, header = _of(reader.read(index), pd.Index), _of(reader.read(names), pd.Index)
    arrays = [reader.read(column) for column in columns]
    if len(header) != len(arrays) or any(len(array) != len(labels) for array in arrays):
        raise UnreadableError("A table came back damaged.")
    frame = pd.DataFrame(
        {
            place: pd.Series(array, index=labels, dtype=array.dtype, copy=False)
            for place, array in enumerate(arrays)
        },
        index=labels,
    )
    frame.columns = header
    return frame


def _write_timestamp(writer: Writer, value: pd.Timestamp) -> Node:
    return ["timestamp", _write_extension(writer, pd.DatetimeIndex([value]).array)]


def _write_extension_or_none(writer: Writer, value: Any) -> Node:
    return ["values", _write_extension(writer, value)]


# --- libraries that need not be imported ---------------------------------------------------------


def _write_from_lazy_libraries(writer: Writer, value: Any) -> Node:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return _write_tensor(writer, value, torch)
    sparse = sys.modules.get("scipy.sparse")
    if sparse is not None and sparse.issparse(value):
        table = value.tocoo()
        arrays = [_write_array(writer, np.asarray(part)) for part in (table.data, *table.coords)]
        return ["coordinates", type(value).__name__, list(value.shape), arrays]
    return None


def _write_tensor(writer: Writer, value: Any, torch: Any) -> Node:
    if value.layout != torch.strided or value.is_quantized:
        return None
    plain = value.detach().cpu().contiguous()
    data = plain.reshape(-1).view(torch.uint8).numpy() if plain.numel() else np.empty(0, np.uint8)
    return [
        "tensor",
        str(value.dtype).removeprefix("torch."),
        list(value.shape),
        bool(value.requires_grad),
        writer.part(data.data),
    ]


_TENSOR_KINDS = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8",
                 "bool",
                 "complex64", "complex128")  # fmt: skip


def _read_tensor(reader: Reader, kind: str, shape: list[int], gradient: bool, number: int) -> Any:
    torch = sys.modules.get("torch")
    if torch is None or kind not in _TENSOR_KINDS:
        raise UnreadableError("A tensor came back, and this lab does not use torch.")
    dtype = getattr(torch, kind)
    data = bytearray(reader.bytes(number))
    flat = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
    made = flat.reshape(_shape(shape))
    return made.requires_grad_() if gradient and made.is_floating_point() else made


def _read_coordinates(reader: Reader, kind: str, shape: list[int], arrays: list[Node]) -> Any:
    from scipy import sparse

    data, *places = (_of(reader.read(node), np.ndarray) for node in arrays)
    name, _, suffix = str(kind).partition("_")
    make = getattr(sparse, f"coo_{'array' if suffix == 'array' else 'matrix'}")
    table = make((data, tuple(places)), shape=_shape(shape))
    return table.asformat(name if name in ("csr", "csc", "coo", "lil", "dok", "bsr", "dia") else "csr")


# --- the tables of kinds ------------------------------------------------------------------------

_WRITERS: list[tuple[Any, Callable[[Writer, Any], Node]]] = [
    (enum.Enum, _write_enum),
    (np.generic, _write_scalar),
    (bool, lambda w, v: v),
    (int, _write_int),
    (float, lambda w, v: float.__float__(v)),
    (complex, lambda w, v: ["complex", v.real, v.imag]),
    (str, lambda w, v: str.__str__(v)),
    (bytes | bytearray, lambda w, v: ["bytes" if isinstance(v, bytes) else "bytearray", w.part(bytes(v))]),
    (list, lambda w, v: ["list", w.all(list.__iter__(v))]),
    (tuple, _write_tuple),
    (dict, _write_dict),
    (set, lambda w, v: ["set", w.all(set.__iter__(v))]),
    (frozenset, lambda w, v: ["frozenset", w.all(frozenset.__iter__(v))]),
    (collections.deque, lambda w, v: ["deque", w.all(v), v.maxlen]),
    (type({}.keys()), lambda w, v: ["keys", w.all(v)]),
    (type({}.values()), lambda w, v: ["listed", w.all(v)]),
    (type({}.items()), lambda w, v: ["items", w.all(v)]),
    (range, lambda w, v: ["range", w.write(v.start), w.write(v.stop), w.write(v.step)]),
    (slice, lambda w, v: ["slice", w.write(v.start), w.write(v.stop), w.write(v.step)]),
    (type(Ellipsis), lambda w, v: ["ellipsis"]),
    (type(NotImplemented), lambda w, v: ["not implemented"]),
    (decimal.Decimal, lambda w, v: ["decimal", str(v)]),
    (fractions.Fraction, lambda w, v: ["fraction", w.write(v.numerator), w.write(v.denominator)]),
    (uuid.UUID, lambda w, v: ["uuid", str(v)]),
    (pathlib.PurePath, lambda w, v: ["path", str(v)]),
    (re.Pattern, _write_pattern),
    (type(pd.NaT), lambda w, v: ["NaT"]),
    (type(pd.NA), lambda w, v: ["NA"]),
    (pd.Timestamp, _write_timestamp),
    (
        pd.Timedelta,
        lambda w, v: [
            "timedelta64",
            int(v.value),
        ],
    ),
    (pd.Period, lambda w, v: ["period", int(v.ordinal), v.freqstr]),
    (pd.Interval, lambda w, v: ["interval", w.write(v.left), w.write(v.right), v.closed]),
    (dt.datetime, _write_datetime),
    (dt.date, lambda w, v: ["date", dt.date.isoformat(v)]),
    (dt.time, lambda w, v: ["time", dt.time.isoformat(v)]),
    (dt.timedelta, lambda w, v: ["duration", v.days, v.seconds, v.microseconds]),
    (dt.timezone, lambda w, v: ["zone", str(v)]),
    (np.ndarray, _write_array),
    (np.dtype, _write_dtype),
    (np.random.Generator, _write_generator),
    (np.random.RandomState, _write_random_state),
    (pd.DataFrame, _write_frame),
    (pd.Series, _write_series),
    (pd.Index, _write_index),
    (pd.api.extensions.ExtensionArray, _write_extension_or_none),
    (pd.CategoricalDtype, lambda w, v: ["category kind", w.write(v.categories), v.ordered]),
    (pd.api.extensions.ExtensionDtype, lambda w, v: ["pandas kind", str(v)]),
    (BaseException, lambda w, v: error_node(v, w)),
    (type, _write_kind),
]

_READERS: dict[str, Callable[..., Any]] = {
    "int": lambda r, text: int(text, 16) if len(text) < 100_000 else _refuse(),
    "complex": lambda r, real, imaginary: complex(real, imaginary),
    "bytes": lambda r, number: bytes(r.bytes(number)),
    "bytearray": lambda r, number: bytearray(r.bytes(number)),
    "list": lambda r, nodes: [r.at("[]", node) for node in nodes],
    "tuple": lambda r, nodes: tuple(r.at(f"[{place}]", node) for place, node in enumerate(nodes)),
    "named": _read_named,
    "dict": _read_pairs,
    "ordered": lambda r, pairs: collections.OrderedDict(_read_pairs(r, pairs)),
    "counter": _read_counter,
    "bunch": _read_bunch,
    "set": lambda r, nodes: {r.at("[]", node) for node in nodes},
    "frozenset": lambda r, nodes: frozenset(r.at("[]", node) for node in nodes),
    "deque": lambda r, nodes, most: collections.deque((r.at("[]", node) for node in nodes), most),
    "keys": lambda r, nodes: {r.read(node): None for node in nodes}.keys(),
    "listed": lambda r, nodes: dict(enumerate(r.at("[]", node) for node in nodes)).values(),
    "items": lambda r, nodes: dict(r.at("[]", node) for node in nodes).items(),
    "range": lambda r, start, stop, step: range(r.read(start), r.read(stop), r.read(step)),
    "slice": lambda r, start, stop, step: slice(r.read(start), r.read(stop), r.read(step)),
    "ellipsis": lambda r: ...,
    "not implemented": lambda r: NotImplemented,
    "decimal": lambda r, text: decimal.Decimal(text),
    "fraction": lambda r, over, under: fractions.Fraction(r.read(over), r.read(under)),
    "uuid": lambda r, text: uuid.UUID(text),
    "path": lambda r, text: pathlib.Path(text),
    "pattern": lambda r, pattern, flags: re.compile(r.read(pattern), int(flags)),
    "NaT": lambda r: pd.NaT,
    "NA": lambda r: pd.NA,
    "timestamp": lambda r, node: pd.DatetimeIndex(r.read(node))[0],
    "timedelta64": lambda r, value: pd.Timedelta(int(value), unit="ns"),
    "period": lambda r, ordinal, frequency: pd.Period(ordinal=int(ordinal), freq=str(frequency)),
    "interval": lambda r, left, right, closed: pd.Interval(r.read(left), r.read(right), closed),
    "datetime": _read_datetime,
    "date": lambda r, text: dt.date.fromisoformat(text),
    "time": lambda r, text: dt.time.fromisoformat(text),
    "duration": lambda r, days, seconds, micro: dt.timedelta(days, seconds, micro),
    "zone": lambda r, text: _zone(text),
    "array": _read_array,
    "masked": lambda r, data, mask: np.ma.MaskedArray(r.read(data), mask=r.read(mask)),
    "objects": _read_objects,
    "record": _read_record,
    "scalar": _read_scalar,
    "dtype": _read_dtype,
    "generator": _read_generator,
    "randomstate": _read_random_state,
    "frame": _read_frame,
    "series": _read_series,
    "index": _read_index,
    "range index": lambda r, start, stop, step, name: pd.RangeIndex(start, stop, step, name=r.read(name)),
    "multi": _read_multi,
    "values": lambda r, node: r.read(node),
    "category": _read_category,
    "moments": _read_moments,
    "nullable": _read_nullable,
    "texts": _read_texts,
    "periods": lambda r, node, frequency: pd.arrays.PeriodArray(
        r.read(node), dtype=pd.PeriodDtype(str(frequency))
    ),
    "intervals": lambda r, left, right, closed: pd.arrays.IntervalArray.from_arrays(
        r.read(left), r.read(right), closed
    ),
    "arrow": lambda r, number: pd.arrays.ArrowExtensionArray(_read_arrow(r, number)),
    "sparse": _read_sparse,
    "category kind": lambda r, node, ordered: pd.CategoricalDtype(r.read(node), ordered),
    "pandas kind": lambda r, text: pd.api.types.pandas_dtype(str(text)[:80]),
    "tensor": _read_tensor,
    "coordinates": _read_coordinates,
    "error": read_error,
    "kind": lambda r, name: _SAFE_KINDS[name],
}


def _refuse() -> Any:
    raise UnreadableError("A number came back that is too long.")

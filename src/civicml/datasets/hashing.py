"""A content hash over values: the same for the same table on every platform, whatever file it is in.

Each column is hashed by what it holds (integers, numbers, yes/no, moments, text), not by how
it is stored: an ``int16`` and an ``Int64`` column with the same values hash alike, and so do
text and categories. Row order and column order count.
"""

import hashlib
from collections.abc import Mapping

import numpy as np
import pandas as pd

_NULL = 0


def content_hash(frames: Mapping[str, pd.DataFrame]) -> str:
    """The hash of several tables, whatever order they are given in: 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in sorted(frames):
        digest.update(f"{name}\n{table_hash(frames[name])}\n".encode())
    return digest.hexdigest()


def table_hash(frame: pd.DataFrame) -> str:
    """The hash of one table: 64 hexadecimal digits.

    Raises:
        TypeError: a column holds something that is not an integer, number, yes/no, moment or text.
    """
    digest = hashlib.sha256(f"{len(frame)} rows\n".encode())
    for name in frame.columns:
        kind, values = _canonical(frame[name])
        digest.update(f"{name}\n{kind}\n".encode())
        digest.update(np.packbits(frame[name].isna().to_numpy()).tobytes())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _canonical(column: pd.Series) -> "tuple[str, np.ndarray[tuple[int], np.dtype[np.generic]]]":
    """What kind of values these are, and the values in one layout: little-endian, blanks as zero."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype) or pd.api.types.is_string_dtype(dtype):
        return "text", _text(column)
    if pd.api.types.is_bool_dtype(dtype):
        return "yes/no", column.fillna(False).to_numpy(dtype=np.uint8)
    if pd.api.types.is_integer_dtype(dtype):
        return "integer", column.fillna(0).to_numpy(dtype="<i8")
    if pd.api.types.is_float_dtype(dtype):
        return "number", column.fillna(0.0).to_numpy(dtype="<f8") + 0.0  # and -0.0 becomes 0.0
    if pd.api.types.is_datetime64_dtype(dtype):
        moments = column.to_numpy().astype("datetime64[us]").astype("<i8")
        return "moment", np.where(column.isna(), _NULL, moments).astype("<i8")
    raise TypeError(f"column '{column.name}' holds {dtype}, which has no content hash")


def _text(column: pd.Series) -> "np.ndarray[tuple[int], np.dtype[np.generic]]":
    if pd.api.types.infer_dtype(column.astype("object"), skipna=True) not in ("string", "empty"):
        raise TypeError(f"column '{column.name}' holds values that are not text, which have no content hash")
    codes, values = pd.factorize(column.astype("object"))
    digests = [
        int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8).digest(), "little") for value in values
    ]
    return np.array([*digests, _NULL], dtype="<u8")[codes]  # a blank has code -1, the last entry

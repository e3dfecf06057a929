"""The content hash: over values, not over how they are stored."""

import numpy as np
import pandas as pd
import pytest

from civicml.datasets import content_hash, table_hash


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "count": [1, 2, 3],
            "word": ["ash", "oak", "ash"],
            "day": pd.to_datetime(["2025-01-01", "2025-01-02", None]),
            "seen": [True, False, True],
            "share": [0.25, -0.0, np.nan],
        }
    )


def test_one_table_has_one_hash_on_every_platform(frame):
    assert table_hash(frame) == "365c3f9cea333918960202f3b6a23d54d62d121d42036ed188ba6ae38a09b236"


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        ("count", "int16"),
        ("count", "Int64"),
        ("count", "uint8"),
        ("word", "category"),
        ("word", "object"),
        ("day", "datetime64[ns]"),
        ("day", "datetime64[s]"),
        ("seen", "boolean"),
    ],
)
def test_storage_does_not_count(frame, column, dtype):
    assert table_hash(frame.astype({column: dtype})) == table_hash(frame)


def test_order_of_categories_and_index_do_not_count(frame):
    reordered = frame.assign(word=pd.Categorical(frame["word"], ["oak", "ash", "elm"], ordered=True))
    assert table_hash(reordered.set_axis([7, 8, 9])) == table_hash(frame)


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.assign(count=[1, 2, 4]),
        lambda f: f.assign(count=[1.0, 2.0, 3.0]),
        lambda f: f.assign(word=["ash", "oak", "Ash"]),
        lambda f: f.assign(word=["ash", "oak", None]),
        lambda f: f.assign(day=f["day"].fillna(pd.Timestamp(0))),
        lambda f: f.assign(seen=[True, True, True]),
        lambda f: f.assign(share=[0.25, 0.0, 0.0]),
        lambda f: f.rename(columns={"count": "number"}),
        lambda f: f.iloc[::-1],
        lambda f: f[["word", "count", "day", "seen", "share"]],
        lambda f: f.head(2),
    ],
)
def test_every_change_of_value_name_or_order_counts(frame, change):
    assert table_hash(change(frame)) != table_hash(frame)


def test_minus_nought_is_nought(frame):
    assert table_hash(frame.assign(share=[0.25, 0.0, np.nan])) == table_hash(frame)


def test_a_collection_is_hashed_by_table_name(frame):
    one, other = frame, frame.head(1)
    assert content_hash({"a": one, "b": other}) == content_hash({"b": other, "a": one})
    assert content_hash({"a": one, "b": other}) != content_hash({"a": other, "b": one})


def test_what_has_no_hash_is_refused():
    with pytest.raises(TypeError, match="column 'lists'"):
        table_hash(pd.DataFrame({"lists": [[1], [2]]}))

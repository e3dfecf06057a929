"""Our k, l, entropy l and t are those of pyCANON, on tables and figures kept in files/pycanon."""

import tomllib
from pathlib import Path

import pandas as pd
import pytest

from civicml.datasets.anonymity import entropy_l_diversity, k_anonymity, l_diversity, t_closeness

FOLDER = Path(__file__).parent / "files" / "pycanon"
RECORDED = tomllib.loads((FOLDER / "measured.toml").read_text())


@pytest.mark.parametrize(
    "case", RECORDED["measured"], ids=lambda c: f"{c['sensitive']}-{len(c['quasi_identifiers'])}"
)
def test_figures_are_those_of_pycanon(case):
    frame = pd.read_csv(FOLDER / case["table"])
    quasi, sensitive = case["quasi_identifiers"], case["sensitive"]
    assert k_anonymity(frame, quasi) == case["k"]
    assert l_diversity(frame, quasi, sensitive) == case["l"]
    # pyCANON gives the whole part: of three equally common values 2, because its 3 is 2.9999999999999996.
    entropy_l = entropy_l_diversity(frame, quasi, sensitive)
    assert int(entropy_l) == case["entropy_l"] or entropy_l == pytest.approx(case["entropy_l"] + 1)
    assert t_closeness(frame, quasi, sensitive) == pytest.approx(case["t"])


def test_the_figures_tell_tables_apart():
    for name in ("k", "l", "entropy_l", "t"):
        assert len({case[name] for case in RECORDED["measured"]}) > 1

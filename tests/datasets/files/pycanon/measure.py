"""Prints what pyCANON says of the small tables beside this file, as TOML; run in an environment of its own.

python measure.py > measured.toml   (pip install pycanon)
"""

import sys
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from pycanon import anonymity

CASES = [
    ("salaries.csv", ["zip", "age"], "salary"),
    ("salaries.csv", ["zip", "age"], "disease"),
    ("patients.csv", ["age_band", "sex", "decile"], "diagnosis"),
    ("patients.csv", ["age_band", "sex"], "diagnosis"),
    ("patients.csv", ["sex"], "stay_days"),
    ("patients.csv", ["decile"], "stay_days"),
]

sys.stdout.write(f'pycanon = "{version("pycanon")}"\n')
for file, quasi, sensitive in CASES:
    frame = pd.read_csv(Path(__file__).with_name(file))
    figures = {
        "k": anonymity.k_anonymity(frame, quasi),
        "l": anonymity.l_diversity(frame, quasi, [sensitive]),
        "entropy_l": anonymity.entropy_l_diversity(frame, quasi, [sensitive]),
        "t": float(anonymity.t_closeness(frame, quasi, [sensitive])),
    }
    sys.stdout.write(
        f'\n[[measured]]\ntable = "{file}"\nquasi_identifiers = {quasi}\nsensitive = "{sensitive}"\n'.replace(
            "'", '"'
        )
        + "".join(f"{name} = {value}\n" for name, value in figures.items())
    )

"""Synthetic public-sector datasets in the schemas of real sources.

``load("gp_appointments")`` gives a dataset's published tables. This package knows what all
datasets share and none of them by name; each is a folder in the course's ``datasets``.
"""

from civicml.datasets.building import build, build_raw, build_sealed
from civicml.datasets.loading import load, load_raw, load_sealed
from civicml.datasets.tables import Tables

__all__ = ["Tables", "build", "build_raw", "build_sealed", "load", "load_raw", "load_sealed"]

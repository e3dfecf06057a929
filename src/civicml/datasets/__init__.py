"""Synthetic public-sector datasets in the schemas of real sources.

``load("gp_appointments")`` gives a dataset's published tables. This package knows what all
datasets share and none of them by name; each is a folder in the course's ``datasets``.
"""

from civicml.datasets.building import Build, build, build_raw, build_sealed
from civicml.datasets.catalogue import Dataset, all_datasets, find_dataset
from civicml.datasets.exporting import export_published, write_csv
from civicml.datasets.hashing import content_hash, table_hash
from civicml.datasets.loading import code_labels, load, load_raw, load_sealed
from civicml.datasets.official import ReadReport, read_official
from civicml.datasets.tables import Tables
from civicml.datasets.verifying import Check, record, verify

__all__ = [
    "Build",
    "Check",
    "Dataset",
    "ReadReport",
    "Tables",
    "all_datasets",
    "build",
    "build_raw",
    "build_sealed",
    "code_labels",
    "content_hash",
    "export_published",
    "find_dataset",
    "load",
    "load_raw",
    "load_sealed",
    "read_official",
    "record",
    "table_hash",
    "verify",
    "write_csv",
]

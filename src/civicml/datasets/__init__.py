"""Synthetic public-sector datasets in the schemas of real sources.

``load("gp_appointments")`` gives a dataset's published tables. This package knows what all
datasets share and none of them by name; each is a folder in the course's ``datasets``.
"""

from civicml.datasets.building import Build, build, build_raw, build_sealed
from civicml.datasets.catalogue import Dataset, all_datasets, find_dataset
from civicml.datasets.exporting import export_published, write_csv
from civicml.datasets.hashing import content_hash, table_hash
from civicml.datasets.loading import code_labels, load, load_published, load_raw, load_sealed
from civicml.datasets.official import ReadReport, read_official
from civicml.datasets.overview import build_all, overview
from civicml.datasets.picture import draw_picture
from civicml.datasets.tables import Tables
from civicml.datasets.using import official_in_use, use_official, use_published
from civicml.datasets.verifying import Check, record, verify

__all__ = [
    "Build",
    "Check",
    "Dataset",
    "ReadReport",
    "Tables",
    "all_datasets",
    "build",
    "build_all",
    "build_raw",
    "build_sealed",
    "code_labels",
    "content_hash",
    "draw_picture",
    "export_published",
    "find_dataset",
    "load",
    "load_published",
    "load_raw",
    "load_sealed",
    "official_in_use",
    "overview",
    "read_official",
    "record",
    "table_hash",
    "use_official",
    "use_published",
    "verify",
    "write_csv",
]

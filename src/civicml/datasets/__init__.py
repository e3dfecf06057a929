"""Synthetic public-sector datasets in the schemas of real sources.

``load("gp_appointments")`` gives a dataset's published tables. This package knows what all
datasets share and none of them by name; each is a folder in the course's ``datasets``.
"""

from civicml.datasets.anonymity import (
    Anonymity,
    class_sizes,
    classes,
    entropy_l_diversity,
    k_anonymity,
    l_diversity,
    measure_anonymity,
    t_closeness,
)
from civicml.datasets.attacks import (
    BeforeAndAfter,
    Linkage,
    SinglingOut,
    inference_gain,
    link,
    linkage_risk,
    single_out,
    singled_out,
)
from civicml.datasets.auditing import (
    Audit,
    Knowledge,
    Recovery,
    attack_by_programming,
    attack_by_subtraction,
    audit,
    recover_by_programming,
    recover_by_subtraction,
)
from civicml.datasets.building import Build, build, build_raw, build_sealed
from civicml.datasets.catalogue import Dataset, all_datasets, find_dataset
from civicml.datasets.cells import count_table
from civicml.datasets.disclosure import (
    CountRule,
    PeopleRule,
    Protected,
    enforce,
    protect_counts,
)
from civicml.datasets.dominance import amount_table
from civicml.datasets.exporting import export_published, write_csv
from civicml.datasets.generalising import (
    Generalised,
    Hierarchy,
    age_hierarchy,
    all_or_nothing,
    date_hierarchy,
    generalise,
    least_generalisation,
    postcode_hierarchy,
)
from civicml.datasets.hashing import content_hash, table_hash
from civicml.datasets.loading import code_labels, load, load_published, load_raw, load_sealed
from civicml.datasets.official import ReadReport, read_official
from civicml.datasets.overview import build_all, overview
from civicml.datasets.picture import draw_picture
from civicml.datasets.rounding import (
    round_at_random,
    round_counts,
    round_keeping_totals,
)
from civicml.datasets.suppression import (
    Suppression,
    protect_averages,
    protect_table,
    suppress_amounts,
    suppress_counts,
)
from civicml.datasets.tables import Tables
from civicml.datasets.using import official_in_use, use_official, use_published
from civicml.datasets.verifying import Check, record, verify

__all__ = [
    "Anonymity",
    "Audit",
    "BeforeAndAfter",
    "Build",
    "Check",
    "CountRule",
    "Dataset",
    "Generalised",
    "Hierarchy",
    "Knowledge",
    "Linkage",
    "PeopleRule",
    "Protected",
    "ReadReport",
    "Recovery",
    "SinglingOut",
    "Suppression",
    "Tables",
    "age_hierarchy",
    "all_datasets",
    "all_or_nothing",
    "amount_table",
    "attack_by_programming",
    "attack_by_subtraction",
    "audit",
    "build",
    "build_all",
    "build_raw",
    "build_sealed",
    "class_sizes",
    "classes",
    "code_labels",
    "content_hash",
    "count_table",
    "date_hierarchy",
    "draw_picture",
    "enforce",
    "entropy_l_diversity",
    "export_published",
    "find_dataset",
    "generalise",
    "inference_gain",
    "k_anonymity",
    "l_diversity",
    "least_generalisation",
    "link",
    "linkage_risk",
    "load",
    "load_published",
    "load_raw",
    "load_sealed",
    "measure_anonymity",
    "official_in_use",
    "overview",
    "postcode_hierarchy",
    "protect_averages",
    "protect_counts",
    "protect_table",
    "read_official",
    "record",
    "recover_by_programming",
    "recover_by_subtraction",
    "round_at_random",
    "round_counts",
    "round_keeping_totals",
    "single_out",
    "singled_out",
    "suppress_amounts",
    "suppress_counts",
    "t_closeness",
    "table_hash",
    "use_official",
    "use_published",
    "verify",
    "write_csv",
]

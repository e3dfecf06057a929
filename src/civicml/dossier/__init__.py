"""A capstone's dossier: the documents that a department reads before it lets a model act.

``new`` begins one, ``read`` and ``check`` say what it lacks, ``figures`` gives what a review looks up in the
run, ``page`` and ``transparency_table`` are for its readers. Must not know MLflow, learners or marks.
"""

from civicml.dossier.checking import Figure, check, check_document, cross_check, figures
from civicml.dossier.exporting import export, page, transparency_table
from civicml.dossier.filling import fill
from civicml.dossier.reading import Document, Dossier, Problem, read
from civicml.dossier.starting import new

__all__ = [
    "Document",
    "Dossier",
    "Figure",
    "Problem",
    "check",
    "check_document",
    "cross_check",
    "export",
    "figures",
    "fill",
    "new",
    "page",
    "read",
    "transparency_table",
]

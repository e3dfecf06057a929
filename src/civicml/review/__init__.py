"""The review of a capstone: a department's own measurements of a registered model, and what is wrong with it.

`review` measures; `Review`, `Part` and `Finding` are what it hands on. It takes nobody's word for a figure.
"""

from civicml.review.brief import Brief, domain_of, domains, load_brief
from civicml.review.evidence import Part, Plot, Review, Table
from civicml.review.findings import OWNERS, PARTS, SEVERITIES, Finding, by_severity

__all__ = [
    "OWNERS",
    "PARTS",
    "SEVERITIES",
    "Brief",
    "Finding",
    "Part",
    "Plot",
    "Review",
    "Table",
    "by_severity",
    "domain_of",
    "domains",
    "load_brief",
]

"""The three briefs on the published tables, each frame made once; a cache that all workers share."""

from pathlib import Path

import pytest

from civicml.datasets import load
from civicml.review.brief import load_brief

REPOSITORY = Path(__file__).parents[2]
DOMAINS = ("health", "justice", "transport")


@pytest.fixture(scope="session", autouse=True)
def this_course(tmp_path_factory):
    shared = tmp_path_factory.getbasetemp()
    if shared.name.startswith("popen-"):
        shared = shared.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CIVICML_COURSE", str(REPOSITORY))
        patch.setenv("CIVICML_CACHE", str(shared / "civicml-cache"))
        patch.delenv("CIVICML_COHORT", raising=False)
        yield


@pytest.fixture(scope="session")
def briefs(this_course):
    return {domain: load_brief(domain) for domain in DOMAINS}


@pytest.fixture(scope="session")
def tables(briefs):
    """The published tables of each domain; tests must not change them."""
    return {domain: load(brief.data.dataset) for domain, brief in briefs.items()}


@pytest.fixture(scope="session")
def frames(briefs, tables):
    """The cases of each domain; tests must not change them."""
    return {domain: brief.frame(tables[domain]) for domain, brief in briefs.items()}

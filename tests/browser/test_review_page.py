"""The page of a review as people meet it: with assistive technology, on a small screen, on paper."""

from itertools import pairwise
from pathlib import Path

import pytest

from civicml.review import Finding, Part, Plot, Review, Table
from civicml.review.record import BEGINNING, Entry
from civicml.review.review_page import review_page
from civicml.review.story import story

pytest.importorskip("playwright", reason="no browser tests: the package playwright is not installed")
axe_python = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="the package axe-playwright-python is not installed"
)

MODEL = "capstone-health-missed-appointments"
TITLES = {
    "loads": "Loading",
    "evaluates": "Measured again",
    "audits": "For whom",
    "stresses": "Under stress",
    "privacy": "Privacy",
    "reproduces": "Made again",
    "paperwork": "Documents",
}
FINDINGS = (
    Finding(
        "leak:duration_minutes", "critical", "learner", "evaluates", "It knows the outcome.", "Leave it out."
    ),
    Finding("gap:sex", "major", "learner", "audits", "31% of women, 44% of men.", "Say why, or change it."),
    Finding("figure:brier", "minor", "learner", "paperwork", "The card says 0.09, the run 0.11.", "Mend it."),
)


def drawing() -> str:
    from io import StringIO

    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    axes.barh(["rule of thumb", "this model", "reference"], [0.22, 0.41, 0.43], color="#0072B2")
    axes.set(xlabel="share of missed appointments found", xlim=(0, 1))
    file = StringIO()
    figure.savefig(file, format="svg")
    return file.getvalue()


def state(part: str) -> str:
    if part == "reproduces":
        return "not_done"
    return "findings" if any(one.part == part for one in FINDINGS) else "clear"


def made_page() -> str:
    """A returned version's page with everything on it."""
    svg = drawing()
    table = Table(
        "By characteristic, at the brief's capacity",
        (
            "group", "cases", "with the outcome", "chosen", "found of those with it",
            "chosen of those without", "chosen, ratio to the rest", "found, ratio to the rest",
            "the same, reference model", "expected",
        ),
        (
            (
                "deprivation_fifth=1, most deprived", 12400, 4400, "0.310 (0.280 to 0.340)",
                "0.310 (0.280 to 0.340)", "0.310 (0.280 to 0.340)", 0.713, 0.813, 0.913, 1.013,
            ),
        )
        * 4,
    )  # fmt: skip
    parts = tuple(
        Part(
            name,
            title,
            state(name),
            "What came of it, in a sentence.",
            (table,),
            (Plot("Found at capacity", svg, "The model finds 41%, the rule 22%."),),
            tuple(one for one in FINDINGS if one.part == name),
        )
        for name, title in TITLES.items()
    )
    review = Review(
        MODEL, "2", "health", "5d0c7a1e94b24f3f8a6be2c1907d4e38", "ana",
        "2026-11-22T10:00:00+00:00", 84.2,
        {"data": "e8b25f32f8e971d6b0a1134747b86b13944e9e819d68ac6365dd882b3259e04b", "run": "5d0c7a1e"},
        parts,
    )  # fmt: skip
    when = "2026-11-22T10:00:00+00:00"
    common = {
        "model": MODEL,
        "answers": {"gap:sex": "The threshold is set for each sex now."},
        "sha256": "ab" * 32,
    }
    counts = {"critical": 1, "major": 1, "minor": 1}
    said = {
        "by": "Dr Dee Dobson", "role": "Head of Access", "because": "It knows the outcome.", "despite": "",
        "dissent": ["Eve, analyst: the gap is the graver thing."],
        "findings": [vars(one) for one in FINDINGS],
    }  # fmt: skip
    entries = (
        Entry(
            1, when, "review", common | {"version": "1", "round": 1, "counts": counts}, BEGINNING, "1" * 64
        ),
        Entry(
            2, when, "return", common | said | {"version": "1", "round": 1, "review": 1}, "1" * 64, "2" * 64
        ),
        Entry(3, when, "review", common | {"version": "2", "round": 2, "counts": counts}, "2" * 64, "3" * 64),
        Entry(
            4, when, "return", common | said | {"version": "2", "round": 2, "review": 3}, "3" * 64, "4" * 64
        ),
    )
    return review_page(review, story(MODEL, entries), entries[-1], "The manager phones forty patients a day.")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("review") / "review.html"
    path.write_text(made_page(), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(chromium: str):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.mark.parametrize(("name", "width", "height"), [("desk", 1200, 900), ("phone", 360, 740)])
def test_axe_finds_nothing_on_a_desk_or_a_phone(
    browser, file, artefacts, name: str, width: int, height: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": height})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    page.screenshot(path=artefacts / f"review_{name}.png", full_page=True)

    results = axe_python.Axe().run(page, options={"resultTypes": ["violations"]})
    too_wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    page.close()

    assert results.violations_count == 0, results.generate_report()
    assert said == [], "the policy stops something that the page needs"
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert not too_wide, "the page scrolls sideways"


def test_on_paper_nothing_is_cut_off(browser, file, artefacts) -> None:
    page = browser.new_page(viewport={"width": 680, "height": 900})  # as wide as A4 within its margins
    page.goto(file.as_uri())
    page.emulate_media(media="print")
    page.screenshot(path=artefacts / "review_paper.png", full_page=True)
    edges = page.evaluate("[...document.querySelectorAll('table')].map(t => t.getBoundingClientRect().right)")
    pdf = page.pdf(path=artefacts / "review.pdf", format="A4", tagged=True)
    page.close()

    assert max(edges) <= 680
    assert pdf.startswith(b"%PDF")


def test_every_heading_follows_from_the_one_above(browser, file) -> None:
    page = browser.new_page()
    page.goto(file.as_uri())
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    page.close()
    assert levels[0] == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))

"""Files that are broken, or made to break something: a clear sentence, and nothing is run or waited for."""

import os

import pytest

from civicml.dossier import check, export, page, read
from civicml.dossier.forms import forms
from civicml.dossier.reading import MOST_BYTES
from civicml.errors import CivicmlError

CARD = "model_card.md"


def spoiled(dossier, content: bytes, file: str = CARD) -> str:
    (dossier.path / file).write_bytes(content)
    return dossier.problem()


def test_no_folder_and_a_file_in_its_place(tmp_path) -> None:
    with pytest.raises(CivicmlError, match=r"does not exist\. 'civicml dossier new"):
        read(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(CivicmlError, match="is a file and not a folder"):
        read(tmp_path / "file")


def test_a_missing_file_and_one_under_another_name(dossier) -> None:
    (dossier.path / CARD).rename(dossier.path / "Model Card.md")
    assert "there is no such file" in dossier.problem()
    assert "is it 'Model Card.md', under another name" in dossier.problem()


def test_toml_mistakes_are_named_with_the_line_in_the_file(dossier) -> None:
    dossier.change(CARD, "version = 2", "version = ")
    text = (dossier.path / CARD).read_text(encoding="utf-8").split("\n")
    line = text.index("version = ") + 1
    assert dossier.problem() == f"{CARD}, line {line}: the facts are not valid TOML: invalid value."


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "must begin with a line that says +++"),
        (b"# Model card\n+++\n+++\n", "must begin with a line that says +++"),
        (b"+++\n[model]\n", "a second line that says +++ must follow"),
        (b"+++\n[model]\nname = 1\nname = 2\n+++\n", "not valid TOML: cannot overwrite a value"),
        (b"+++\nx = " + b"[" * 50_000 + b"\n+++\n", "nested too deeply"),
        (b"+++\nx = " + b"9" * 50_000 + b"\n+++\n", "a number of far too many digits"),
        (b"+++\nx = 1e99999999999999999999\n+++\n", "a number of far too many digits"),
        (b"+++\n+++\n\xff\xfe", "is not UTF-8 text"),
        ("+++\n+++\n".encode("utf-16"), "is not UTF-8 text"),
        (b"+++\n+++\n\x00", "invisible character (U+0000)"),
        ("+++\n+++\nturned \u202e round".encode(), "invisible character (U+202E)"),
        (b"+++\n+++\n" + b"x" * MOST_BYTES, "is larger than 100 kB"),
        (b"\x80\x04\x95 a pickle", "is not UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_problem(dossier, content: bytes, says: str) -> None:
    problem = spoiled(dossier, content)
    assert problem.startswith(CARD)
    assert says in problem
    assert problem.count("\n") == 0


def test_facts_of_the_wrong_shape(dossier) -> None:
    (dossier.path / "dossier.toml").write_text(
        'dossier = 3\nmodel = ["\\u001b[31m"]\n[data]\ndataset = { a = { b = [1, 2] } }\nhash = [[[]]]\n'
        '[people]\n"\\u001b[31mred" = 1\n[__class__]\n',
        encoding="utf-8",
    )
    problems = dossier.problems()
    assert all(problem.isprintable() for problem in problems)
    assert any("[dossier]: is a number and not a section" in problem for problem in problems)
    assert any("there is no section '__class__'" in problem for problem in problems)
    page(read(dossier.path), check(read(dossier.path)))


def test_rows_of_the_wrong_shape(dossier) -> None:
    text = (dossier.path / CARD).read_text(encoding="utf-8")
    head, _, tail = text.partition("[[performance.figures]]")
    rest = tail.partition("+++")[2]
    (dossier.path / CARD).write_text(f"{head}[performance]\nfigures = 6.5\nrivals = [1, {{}}]\n+++{rest}")
    problems = dossier.problems()
    assert any("[performance] figures: must be blocks" in problem for problem in problems)
    assert any("[performance] rivals: must be blocks" in problem for problem in problems)
    page(read(dossier.path), check(read(dossier.path)))


WEIRD = [
    "0", "-1", "1.5", "nan", "-inf", "1e14", "1e-14", "true", '""', "'x'", "'  '", "[]", "[1]", "['a', 2]",
    "[[[]]]", "{}", "[{}]", "[{}, 1]", "{ value = 1 }", "{ value = {}, unit = [] }",
    "{ value = nan, unit = 'x', b = 1 }", "{ a = { b = 1 } }", "2026-01-01",
    "2026-01-01T10:00:00Z", "10:00:00", "0001-01-01",
    "[{ metric = 'm', value = 1, unit = 'a b', of = 'all' }]", r'"a\nb\u0007"', "'=1+1'",
    "[{ metric = [], value = 'x', low = true, high = {} }]",
    "[{ characteristic = [], in_the_data = {}, finding = 1 }]",
    "[{ look_at = nan, act_at = inf, direction = 'falls below' }]",
]  # fmt: skip


@pytest.mark.parametrize("value", WEIRD)
def test_any_value_in_every_field_gives_problems_and_never_a_traceback(dossier, tmp_path, value: str) -> None:
    for each in forms():
        lines = []
        for section in each.sections:
            lines += [f"[{section.name}]", *(f"{field.name} = {value}" for field in section.fields)]
        facts = "\n".join(lines)
        whole = f"+++\n{facts}\n+++\n" if each.headings else facts
        (dossier.path / each.file).write_text(whole, encoding="utf-8")
    problems = dossier.problems()
    assert len(problems) >= 8
    assert all(problem.isprintable() for problem in problems)
    export(dossier.path, page_to=tmp_path / "p.html", table_to=tmp_path / "t.csv", draft=True)


def test_links_are_not_followed(dossier, tmp_path) -> None:
    secret = tmp_path / "secret.md"
    (dossier.path / CARD).rename(secret)
    (dossier.path / CARD).symlink_to(secret)
    assert "is a link; put the file itself here" in dossier.problem()


def test_pipes_and_folders_are_not_waited_for(dossier) -> None:
    (dossier.path / CARD).unlink()
    os.mkfifo(dossier.path / CARD)
    assert "is not an ordinary file" in dossier.problem()
    (dossier.path / CARD).unlink()
    (dossier.path / CARD).mkdir()
    assert "is not an ordinary file" in dossier.problem()


SLOW = {
    "brackets": "[" * 19_000,
    "emphasis": "*a **b " * 2_800,
    "quotations": "> " * 30_000,
    "backticks": "`" * 50_000,
    "comments": "<!-- " * 4_000,
    "pictures": "![" * 9_900,
    "links": "a](" * 6_600,
}


@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW)
def test_markdown_made_to_be_slow_is_read_all_the_same(dossier, text: str) -> None:
    dossier.prose(CARD, "Limits", text)
    page(read(dossier.path), check(read(dossier.path)))


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[click](javascript:alert(1))",
        "![](https://tracker.example/a.png)",
        '<iframe src="https://x.example"></iframe>',
        "</main></body><form action=https://x.example>",
        '"><svg onload=alert(1)>',
        "<style>body { display: none }</style>",
        "[x](data:text/html,<script>alert(1)</script>)",
    ],
)
def test_nothing_that_an_author_writes_acts_on_the_reader(dossier, attack: str) -> None:
    quoted = attack.replace("\\", "\\\\").replace('"', '\\"')
    dossier.prose(CARD, "Limits", f"{attack}\n\n" + "It was judged on one winter in one area. " * 3)
    dossier.change("dossier.toml", "Head of Primary Care Access", f"Head {quoted}")
    dossier.change(CARD, '"practice", ', f'"{quoted}", ')
    dossier.change(CARD, 'metric = "auc"', f'metric = "{quoted}"')
    read_back = read(dossier.path)
    html = page(read_back, check(read_back)).lower()
    for tag in (
        "<script",
        "<img",
        "<iframe",
        "<form",
        "<svg",
        'javascript:alert(1)"',
        'href="data:',
        "<object",
    ):
        assert tag not in html, tag
    assert html.count("<style>") == 1
    assert "default-src 'none'" in html


def test_a_folder_reads_the_same_with_other_files_in_it(dossier) -> None:
    (dossier.path / "notes.md").write_text("mine")
    (dossier.path / "..hidden").write_text("mine")
    assert dossier.problems() == []

"""The commands: what a reviewer and a learner type, and what they read."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from civicml.cli import app
from civicml.errors import CivicmlError

from .conftest import GAP, MODEL  # isort: skip

WHO = ("--by", "Dr Dee Dobson", "--role", "Head of Access")
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def run(cohort: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CIVICML_COURSE", str(REPOSITORY))

    def do(*arguments: str) -> str:
        result = CliRunner().invoke(app, list(arguments), catch_exceptions=True)
        if isinstance(result.exception, CivicmlError):
            raise result.exception
        assert result.exception is None, result.exception
        return result.output

    return do


def test_from_a_review_to_the_learners_file_by_command(run, desk, reviewed, tmp_path: Path) -> None:
    version = reviewed(GAP)

    said = run("decide", MODEL, version, "--return", *WHO, "--because", "The list misses [bold]women.")
    assert f"{MODEL} {version}" in said
    assert "returned by Dr Dee Dobson, Head of Access. Because: The list misses [bold]women." in said
    assert desk.aliases() == {"returned": version}
    record = run("decisions", MODEL)
    assert "reviewed (round 1): 1 major finding" in record
    assert "each follows from the one before" in record
    (tmp_path / "dossier").mkdir()
    assert GAP.do in run("findings", MODEL, "--to", str(tmp_path / "dossier")).replace("\\", "")
    assert GAP.code in (tmp_path / "dossier" / "answers.toml").read_text()
    assert "already; it is left" in run("findings", MODEL, "--to", str(tmp_path / "dossier"))
    run("decisions", MODEL, "--go-on")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("decide", MODEL, "1", *WHO), "Say one of --accept"),
        (("decide", MODEL, "1", "--accept", "--reject", *WHO), "Say one of --accept"),
        (("decide", MODEL, "--accept", *WHO), "--accept is about one version"),
        (("decide", MODEL, "1", "--rollback", *WHO), "--rollback is about the version in use"),
        (("decide", MODEL, "1", "--accept", *WHO), "--because must be a sentence"),
        (("decide", "../x", "1", "--accept", *WHO, "--because", "It is good enough."), "is no model's name"),
        (
            ("decide", "unknown", "1", "--accept", *WHO, "--because", "It is good enough."),
            "there is no such model",
        ),
        (("decisions", "--go-on"), "Name the model"),
        (("findings", MODEL, "--to", "nowhere"), "There is no folder 'nowhere'"),
        (("findings", MODEL, "--to", "."), "No version of .* was sent back"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(run, arguments, says: str) -> None:
    with pytest.raises(CivicmlError, match=says):
        run(*arguments)

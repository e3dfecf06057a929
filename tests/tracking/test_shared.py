"""The settings and secrets of the cohort's server: what cannot be used is one sentence, at the start."""

import os
import stat
import sys
from pathlib import Path

import pytest

from civicml.errors import CivicmlError
from civicml.tracking.accounts import set_accounts
from civicml.tracking.shared import (
    SECRETS,
    SETTINGS,
    TEMPLATE,
    Secrets,
    SharedSettings,
    check_database,
    database_script,
    prepare_folder,
    read_shared,
)

REPOSITORY = Path(__file__).parents[2]
TEXT = (REPOSITORY / TEMPLATE).read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A server's folder as it is made first."""
    made = tmp_path / "server"
    assert prepare_folder(made, TEXT), "new settings, for somebody to look at"
    return made


def test_the_file_in_the_course_states_every_setting_and_can_be_used(folder: Path) -> None:
    settings, _ = read_shared(folder)

    assert settings == SharedSettings(database=settings.database, artifacts=settings.artifacts)
    for name in SharedSettings.model_fields:
        assert f"\n{name} = " in TEXT


def test_a_new_folder_is_private_and_its_secrets_are_its_own(folder: Path, tmp_path: Path) -> None:
    prepare_folder(tmp_path / "other", TEXT)
    _, secret = read_shared(folder)
    _, other = read_shared(tmp_path / "other")

    assert (
        len({secret.database_password, secret.session_key, other.database_password, other.session_key}) == 4
    )
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in (folder, *folder.iterdir()))


def test_what_is_there_is_kept(folder: Path) -> None:
    before = (folder / SECRETS).read_text(encoding="utf-8")
    (folder / SETTINGS).write_text(TEXT.replace("port = 5000", "port = 5001"), encoding="utf-8")

    assert not prepare_folder(folder, TEXT)

    assert read_shared(folder)[0].port == 5001
    assert (folder / SECRETS).read_text(encoding="utf-8") == before


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("postgresql://civicml@", "sqlite:///civicml@", r"database: must be a PostgreSQL address"),
        (
            "postgresql://civicml@",
            "postgresql://civicml:hush@",
            r"must not hold the password; .*secrets\.toml",
        ),
        ("s3://civicml/runs", "/var/runs", r"artifacts: must be a place in an S3-compatible store"),
        ('host = "127.0.0.1"', 'host = "0.0.0.0"', r"would send passwords readably over the network"),
        ('key = ""', 'key = "key.pem"', r"certificate and key are named together"),
        ("port = 5000", "prot = 5000", r"prot: "),
        ("port = 5000", "port = ", r"cannot be used: "),
    ],
)
def test_a_setting_that_cannot_be_used_is_one_sentence(
    folder: Path, before: str, after: str, said: str
) -> None:
    assert before in TEXT
    (folder / SETTINGS).write_text(TEXT.replace(before, after), encoding="utf-8")

    with pytest.raises(CivicmlError, match=said) as caught:
        read_shared(folder)
    assert SETTINGS in str(caught.value)
    assert "hush" not in str(caught.value)


def test_secrets_that_others_can_read_are_not_used(folder: Path) -> None:
    (folder / SECRETS).chmod(0o640)

    with pytest.raises(CivicmlError, match=r"Others on this machine can read .*chmod 600"):
        read_shared(folder)


@pytest.mark.parametrize("line", ['database_pasword = "a"', "s3_access_key = 1", 'session_key = ""'])
def test_secrets_with_a_slip_are_one_sentence(folder: Path, line: str) -> None:
    path = folder / SECRETS
    kept = [text for text in path.read_text().splitlines() if not text.startswith(line.partition(" =")[0])]
    path.write_text("\n".join([*kept, line]), encoding="utf-8")

    with pytest.raises(CivicmlError, match=r"must hold exactly these texts: database_password"):
        read_shared(folder)


def test_a_database_that_is_not_there_is_one_sentence_without_the_password(folder: Path) -> None:
    settings = SharedSettings(database="postgresql://civicml@127.0.0.1:9/civicml", artifacts="s3://runs")
    _, secret = read_shared(folder)

    with pytest.raises(CivicmlError, match=r"cannot be opened: .*psql < ") as caught:
        check_database(folder, settings, secret)

    script = folder / "database.sql"
    assert secret.database_password not in str(caught.value)
    assert secret.database_password in script.read_text(encoding="utf-8")
    assert stat.S_IMODE(script.stat().st_mode) == 0o600
    assert "PGPASSWORD" not in os.environ


def test_without_its_libraries_the_server_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)

    with pytest.raises(CivicmlError, match=r"\(boto3\); run: pip install 'civicml\[server\]'"):
        check_database(folder, *read_shared(folder))


def test_a_name_with_quotes_stays_a_name_in_the_script() -> None:
    settings = SharedSettings(database='postgresql://a"b@127.0.0.1/civicml', artifacts="s3://runs")

    assert "CREATE ROLE \"a\"\"b\" LOGIN PASSWORD 'it''s';" in database_script(
        settings, Secrets("it's", "key")
    )


def test_the_servers_own_account_is_nobody_elses(folder: Path) -> None:
    with pytest.raises(CivicmlError, match=r"'instructor' is the server's own account"):
        set_accounts(folder, *read_shared(folder), learners=["instructor"], reviewers=[])

"""Who the learner is, and which ids are refused."""

import pytest

from civicml.errors import CivicmlError
from civicml.learner import current_learner, valid_id


@pytest.fixture(autouse=True)
def _nobody(monkeypatch):
    monkeypatch.delenv("CIVICML_LEARNER", raising=False)
    monkeypatch.delenv("JUPYTERHUB_USER", raising=False)


def test_the_named_learner_comes_before_the_hubs_user(monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_USER", "hub-user")
    assert current_learner() == "hub-user"
    monkeypatch.setenv("CIVICML_LEARNER", "Amara")
    assert current_learner() == "amara"


def test_without_a_name_it_is_the_operating_systems_user(monkeypatch):
    monkeypatch.setenv("LOGNAME", "someone")
    assert current_learner() == "someone"


@pytest.mark.parametrize("bad", ["", "../peer", "a+b", "a b", ".hidden", "x" * 64, "naïve", "a/b", "a\nb"])
def test_an_id_that_could_break_a_path_or_an_exchange_is_refused(bad):
    with pytest.raises(CivicmlError, match="cannot be a learner's id"):
        valid_id(bad)


@pytest.mark.parametrize("good", ["amara", "j.smith-2", "0", "x" * 63])
def test_ordinary_ids_pass(good):
    assert valid_id(good) == good

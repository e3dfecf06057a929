"""Hands a run's model in: a version of ``capstone-<domain>-<name>`` in MLflow's own registry."""

import re

from civicml.errors import CivicmlError
from civicml.tracking.artefacts.refusing import Refused
from civicml.tracking.artefacts.saving import CODE_TAG, COMMIT_TAG, MODEL_FOLDER, MODEL_TAG, SEED_TAG

CANDIDATE = "candidate"
DOMAINS = ("health", "justice", "transport")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def model_name(domain: str, name: str) -> str:
    """The registered model's name: ``capstone-health-missed-appointments``.

    Raises:
        CivicmlError: there is no such domain, or the name is not lower-case words joined by hyphens.
    """
    if domain not in DOMAINS:
        raise CivicmlError(f"'{domain}' is not a domain; choose one of {', '.join(DOMAINS)}.")
    if not _NAME.fullmatch(name) or len(name) > 60:
        raise CivicmlError(f"'{name}' is not a model's name; write it as 'missed-appointments'.")
    return f"capstone-{domain}-{name}"


def register(run_id: str, *, domain: str, name: str) -> int:
    """Hand in the model that `log_model` kept with a run, as a new version.

    The version gets the alias ``candidate``. On a cohort's server learners set no alias; there the
    server does it.

    Args:
        run_id: the finished or running run that has the model.
        domain: health, justice or transport.
        name: what the model is called, in lower-case words joined by hyphens.

    Returns:
        The number of the version.

    Raises:
        CivicmlError: there is no such run, it has no model, or the store refuses.
    """
    from mlflow.exceptions import MlflowException

    from civicml.tracking import DATA_TAG, LEARNER_TAG, WEEK_TAG, _open_store

    registered = model_name(domain, name)
    with _open_store() as (_, client):
        try:
            run = client.get_run(run_id)
        except MlflowException:
            raise CivicmlError(f"There is no run '{run_id}'.") from None
        if MODEL_TAG not in run.data.tags:
            raise Refused("The run has no model that artefacts.log_model kept.", "Log one in the run first.")
        kept = (DATA_TAG, SEED_TAG, CODE_TAG, COMMIT_TAG, MODEL_TAG, LEARNER_TAG, WEEK_TAG)
        tags = {tag: run.data.tags[tag] for tag in kept if tag in run.data.tags}
        try:
            client.create_registered_model(registered)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_ALREADY_EXISTS", "PERMISSION_DENIED"):
                raise
        version = client.create_model_version(
            registered, f"{run.info.artifact_uri}/{MODEL_FOLDER}", run_id, tags=tags
        )
        try:
            client.set_registered_model_alias(registered, CANDIDATE, version.version)
        except MlflowException as error:
            if error.error_code != "PERMISSION_DENIED":
                raise
    return int(version.version)

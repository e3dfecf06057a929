# why: parameters and metrics mixed up
# loses: q10_visible = 2
# loses: q10_hidden = 4


def log_delivery(month, version, decision, counts):
    with tracking.start("week03", run_name=month, data=version) as run:
        mlflow.log_params({"month": month, "decision": decision, **counts})
    return run.info.run_id

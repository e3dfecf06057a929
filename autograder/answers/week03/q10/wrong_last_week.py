# why: copied from week 1
# loses: q10_visible = 2
# loses: q10_hidden = 4


def log_delivery(month, version, decision, counts):
    with tracking.start("week01", run_name=month, data=version) as run:
        mlflow.log_params({"month": month, "decision": decision})
        mlflow.log_metrics(counts)
    return run.info.run_id

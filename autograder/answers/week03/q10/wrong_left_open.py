# why: opened a run and never ended it
# loses: q10_visible = 2
# loses: q10_hidden = 4


def log_delivery(month, version, decision, counts):
    run = tracking.start("week03", run_name=month, data=version)
    mlflow.log_params({"month": month, "decision": decision})
    mlflow.log_metrics(counts)
    return run.info.run_id

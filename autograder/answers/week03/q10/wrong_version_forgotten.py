# why: data= looked optional
# loses: q10_hidden = 4


def log_delivery(month, version, decision, counts):
    with tracking.start("week03", run_name=month) as run:
        mlflow.log_params({"month": month, "decision": decision})
        mlflow.log_metrics(counts)
    return run.info.run_id

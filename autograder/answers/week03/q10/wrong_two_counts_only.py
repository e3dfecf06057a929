# why: logged the two counts of the example by name
# loses: q10_hidden = 4


def log_delivery(month, version, decision, counts):
    with tracking.start("week03", run_name=month, data=version) as run:
        mlflow.log_params({"month": month, "decision": decision})
        mlflow.log_metrics({"rows": counts["rows"], "faulty": counts.get("faulty", 0)})
    return run.info.run_id

# why: opens and ends the run by hand


def log_delivery(month, version, decision, counts):
    run = tracking.start("week03", run_name=month, data=version)
    try:
        mlflow.log_params({"month": month, "decision": decision})
        mlflow.log_metrics({name: float(count) for name, count in counts.items()})
    finally:
        mlflow.end_run()
    return run.info.run_id

# why: mlflow.start_run, as every tutorial has it: the run is under nobody's name and in no week
# loses: q9_visible = 4
# loses: q9_hidden = 6


def log_run(rule, by_day, calls):
    found, missed = int(by_day["found"].sum()), int(by_day["missed"].sum())
    with mlflow.start_run(run_name=rule) as run:
        mlflow.log_params(
            {
                "rule": rule,
                "calls": calls,
                "first_day": by_day.index.min().date(),
                "last_day": by_day.index.max().date(),
            }
        )
        mlflow.log_metrics({"found": found, "missed": missed})
        if missed:
            mlflow.log_metric("share_found", found / missed)
    return run.info.run_id

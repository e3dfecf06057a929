# why: the rule and the calls of the lesson, written into the function
# loses: q9_hidden = 6


def log_run(rule, by_day, calls):
    found, missed = int(by_day["found"].sum()), int(by_day["missed"].sum())
    with tracking.start("week01", run_name="longest wait") as run:
        mlflow.log_params(
            {
                "rule": "longest wait",
                "calls": 40,
                "first_day": by_day.index.min().date(),
                "last_day": by_day.index.max().date(),
            }
        )
        mlflow.log_metrics({"found": found, "missed": missed})
        if missed:
            mlflow.log_metric("share_found", found / missed)
    return run.info.run_id

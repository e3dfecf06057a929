# why: never thought of a week in which nobody misses: the run fails half way
# loses: q9_hidden = 6


def log_run(rule, by_day, calls):
    found, missed = int(by_day["found"].sum()), int(by_day["missed"].sum())
    with tracking.start("week01", run_name=rule) as run:
        mlflow.log_params(
            {
                "rule": rule,
                "calls": calls,
                "first_day": by_day.index.min().date(),
                "last_day": by_day.index.max().date(),
            }
        )
        mlflow.log_metrics({"found": found, "missed": missed, "share_found": found / missed})
    return run.info.run_id

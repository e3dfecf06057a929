# why: everything goes into log_params, where no chart will find it
# loses: q9_visible = 4
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
                "found": found,
                "missed": missed,
                "share_found": found / missed if missed else None,
            }
        )
    return run.info.run_id

# why: without a with statement, but with try and finally; and one thing more than was asked for


def log_run(rule, by_day, calls):
    run = tracking.start("week01", rule)
    try:
        mlflow.log_params(
            {
                "rule": rule,
                "calls": calls,
                "first_day": str(by_day.index[0])[:10],
                "last_day": str(by_day.index[-1])[:10],
                "days": len(by_day),
            }
        )
        metrics = {"found": float(by_day["found"].sum()), "missed": float(by_day["missed"].sum())}
        metrics |= {"share_found": metrics["found"] / metrics["missed"]} if metrics["missed"] else {}
        mlflow.log_metrics(metrics)
    finally:
        mlflow.end_run()
    return run.info.run_id

# why: one metric and one parameter at a time, the share worked out first


def log_run(rule, by_day, calls):
    totals = by_day[["found", "missed"]].sum()
    days = [pd.Timestamp(day).strftime("%Y-%m-%d") for day in sorted(by_day.index)]
    with tracking.start("week01", run_name=rule):
        mlflow.log_param("rule", rule)
        mlflow.log_param("calls", calls)
        mlflow.log_param("first_day", days[0])
        mlflow.log_param("last_day", days[-1])
        for name, value in totals.items():
            mlflow.log_metric(name, value)
        if totals["missed"] > 0:
            mlflow.log_metric("share_found", totals["found"] / totals["missed"])
        return mlflow.active_run().info.run_id

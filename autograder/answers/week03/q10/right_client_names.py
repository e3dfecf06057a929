# why: one value after another


def log_delivery(month, version, decision, counts):
    with tracking.start("week03", run_name=month, data=version):
        mlflow.log_param("month", month)
        mlflow.log_param("decision", decision)
        for name, count in counts.items():
            mlflow.log_metric(name, count)
        return mlflow.active_run().info.run_id

# why: a function for one run, and the mean by hand


def _log_one(model_name, scheme, areas):
    with tracking.start("week04", run_name=scheme) as run:
        mlflow.log_param("model", model_name)
        mlflow.log_param("scheme", scheme)
        mlflow.log_param("folds", len(areas))
        for step in range(len(areas)):
            mlflow.log_metric("auc", float(areas[step]), step=step)
        mlflow.log_metric("auc_mean", sum(areas) / len(areas))
        if len(areas) >= 2:
            mlflow.log_metric("auc_sd", float(pd.Series(areas).std()))
        return run.info.run_id


def log_schemes(model_name, scores):
    return {scheme: _log_one(model_name, scheme, areas) for scheme, areas in scores.items()}

# why: the standard library's statistics, and all metrics at once


def log_schemes(model_name, scores):
    import statistics

    ids = {}
    for scheme in scores:
        areas = list(scores[scheme])
        summary = {"auc_mean": statistics.fmean(areas)}
        if len(areas) > 1:
            summary["auc_sd"] = statistics.stdev(areas)
        with tracking.start("week04", run_name=scheme) as run:
            mlflow.log_params({"model": model_name, "scheme": scheme, "folds": len(areas)})
            mlflow.log_metrics(summary)
            for number, area in enumerate(areas):
                mlflow.log_metrics({"auc": area}, step=number)
            ids[scheme] = run.info.run_id
    return ids

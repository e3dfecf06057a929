# why: without a step every fold is step 0
# loses: q8_hidden = 6


def log_schemes(model_name, scores):
    ids = {}
    for scheme, areas in scores.items():
        with tracking.start("week04", run_name=scheme) as run:
            mlflow.log_params({"model": model_name, "scheme": scheme, "folds": len(areas)})
            for area in areas:
                mlflow.log_metric("auc", area)
            mlflow.log_metric("auc_mean", np.mean(areas))
            if len(areas) > 1:
                mlflow.log_metric("auc_sd", np.std(areas, ddof=1))
        ids[scheme] = run.info.run_id
    return ids

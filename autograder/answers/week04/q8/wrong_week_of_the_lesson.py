# why: copied from the first week
# loses: q8_visible = 4
# loses: q8_hidden = 6


def log_schemes(model_name, scores):
    ids = {}
    for scheme, areas in scores.items():
        with tracking.start("week01", run_name=scheme) as run:
            mlflow.log_params({"model": model_name, "scheme": scheme, "folds": len(areas)})
            for fold, area in enumerate(areas):
                mlflow.log_metric("auc", area, step=fold)
            mlflow.log_metric("auc_mean", np.mean(areas))
            if len(areas) > 1:
                mlflow.log_metric("auc_sd", np.std(areas, ddof=1))
        ids[scheme] = run.info.run_id
    return ids

# why: the run carries the model's name, so that all three look alike in the list
# loses: q8_visible = 4
# loses: q8_hidden = 6


def log_schemes(model_name, scores):
    ids = {}
    for scheme, areas in scores.items():
        with tracking.start("week04", run_name=model_name) as run:
            mlflow.log_params({"model": model_name, "scheme": scheme, "folds": len(areas)})
            for fold, area in enumerate(areas):
                mlflow.log_metric("auc", area, step=fold)
            mlflow.log_metric("auc_mean", np.mean(areas))
            if len(areas) > 1:
                mlflow.log_metric("auc_sd", np.std(areas, ddof=1))
        ids[scheme] = run.info.run_id
    return ids

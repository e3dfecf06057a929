# why: mlflow.start_run, as every tutorial has it: the run is under nobody's name and in no week
# loses: q9_visible = 3


def log_release(name, k, stays, kept, claimed_before, claimed_after):
    with mlflow.start_run(run_name=name) as run:
        mlflow.log_params({"release": name, "k": k})
        mlflow.log_metrics({"claimed_before": claimed_before, "claimed_after": claimed_after})
        if stays:
            mlflow.log_metric("kept_share", kept / stays)
        mlflow.set_tag("decision", "hold" if claimed_after else "release")
    return run.info.run_id

# why: the tag of the first release
# loses: q9_hidden = 5


def log_release(name, k, stays, kept, claimed_before, claimed_after):
    with tracking.start("week02", run_name=name) as run:
        mlflow.log_param("release", name)
        mlflow.log_param("k", k)
        mlflow.log_metric("claimed_before", claimed_before)
        mlflow.log_metric("claimed_after", claimed_after)
        if stays > 0:
            mlflow.log_metric("kept_share", kept / stays)
        mlflow.set_tags({"decision": "release"})
        return run.info.run_id

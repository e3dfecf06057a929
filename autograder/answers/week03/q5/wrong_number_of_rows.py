# why: hashed the shape and the names, which seemed to tell two files apart
# loses: q5_visible = 2
# loses: q5_hidden = 4


def batch_version(batch, key):
    about = pd.DataFrame({"name": sorted(batch.columns), "rows": len(batch)})
    return table_hash(about)[:12]

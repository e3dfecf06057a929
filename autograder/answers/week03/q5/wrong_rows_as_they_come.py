# why: hashed what was handed in
# loses: q5_visible = 2
# loses: q5_hidden = 4


def batch_version(batch, key):
    return table_hash(batch)[:12]

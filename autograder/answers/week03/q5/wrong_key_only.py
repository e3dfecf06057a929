# why: the key identifies the rows, so it seemed enough
# loses: q5_visible = 2
# loses: q5_hidden = 4


def batch_version(batch, key):
    return table_hash(batch[[key]].sort_values(key, ignore_index=True))[:12]

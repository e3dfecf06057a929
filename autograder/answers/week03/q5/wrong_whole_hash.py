# why: sorted as asked and forgot the twelve characters
# loses: q5_visible = 2
# loses: q5_hidden = 4


def batch_version(batch, key):
    return table_hash(batch[sorted(batch.columns)].sort_values(key, ignore_index=True))

# why: mixed up which list is the agreement
# loses: q1_visible = 2
# loses: q1_hidden = 4


def header_faults(agreed, columns):
    twice = sorted({c for c in columns if columns.count(c) > 1})
    return {
        "missing": sorted(set(agreed) - set(columns)),
        "unknown": sorted(set(columns) - set(agreed)),
        "twice": twice,
    }

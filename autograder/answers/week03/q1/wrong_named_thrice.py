# why: a name that is there three times is reported each time
# loses: q1_hidden = 4


def header_faults(columns, agreed):
    return {
        "missing": sorted(set(agreed) - set(columns)),
        "unknown": sorted(set(columns) - set(agreed)),
        "twice": sorted(c for c in columns if columns.count(c) > 1),
    }

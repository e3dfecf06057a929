# why: thought that Status and status are surely the same
# loses: q1_hidden = 4


def header_faults(columns, agreed):
    columns, agreed = [c.lower() for c in columns], [c.lower() for c in agreed]
    twice = sorted({c for c in columns if columns.count(c) > 1})
    return {
        "missing": sorted(set(agreed) - set(columns)),
        "unknown": sorted(set(columns) - set(agreed)),
        "twice": twice,
    }

# why: a list comprehension for each of the three


def header_faults(columns, agreed):
    missing = sorted(dict.fromkeys(name for name in agreed if name not in columns))
    unknown = sorted(dict.fromkeys(name for name in columns if name not in agreed))
    twice = sorted(dict.fromkeys(name for i, name in enumerate(columns) if name in columns[:i]))
    return {"missing": missing, "unknown": unknown, "twice": twice}

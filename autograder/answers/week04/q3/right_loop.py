# why: a set of what was seen, row by row


def one_report_each(collision):
    same = ["date", "time", "location_easting_osgr", "location_northing_osgr", "number_of_vehicles"]
    seen, keep = set(), []
    for values in collision[same].astype("object").itertuples(index=False, name=None):
        blank = any(pd.isna(value) for value in values)
        keep.append(blank or values not in seen)
        if not blank:
            seen.add(values)
    return collision[np.array(keep, dtype=bool)]

# why: the force is a column of the place, so it went into the list
# loses: q3_visible = 4
# loses: q3_hidden = 6


def one_report_each(collision):
    same = [
        "date",
        "time",
        "location_easting_osgr",
        "location_northing_osgr",
        "number_of_vehicles",
        "police_force",
    ]
    complete = collision[same].notna().all(axis=1)
    return collision[~(collision.duplicated(same) & complete)]

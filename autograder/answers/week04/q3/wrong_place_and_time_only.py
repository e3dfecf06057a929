# why: forgot the number of vehicles
# loses: q3_hidden = 6


def one_report_each(collision):
    same = ["date", "time", "location_easting_osgr", "location_northing_osgr"]
    complete = collision[same].notna().all(axis=1)
    return collision[~(collision.duplicated(same) & complete)]

# why: rows without a time or a place were thrown away first
# loses: q3_hidden = 6


def one_report_each(collision):
    same = ["date", "time", "location_easting_osgr", "location_northing_osgr", "number_of_vehicles"]
    return collision.dropna(subset=same).drop_duplicates(same)

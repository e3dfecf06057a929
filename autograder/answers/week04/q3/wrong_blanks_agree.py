# why: pandas takes two blanks for the same
# loses: q3_hidden = 6


def one_report_each(collision):
    same = ["date", "time", "location_easting_osgr", "location_northing_osgr", "number_of_vehicles"]
    return collision.drop_duplicates(same)

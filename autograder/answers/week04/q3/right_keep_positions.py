# why: numbers the reports within a group; rows with a blank are in no group


def one_report_each(collision):
    same = ["date", "time", "location_easting_osgr", "location_northing_osgr", "number_of_vehicles"]
    turn = collision.groupby(same, observed=True, dropna=True).cumcount()
    blank = collision[same].isna().any(axis=1)
    return collision[(turn == 0) | blank]

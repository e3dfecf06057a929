# why: names what stays, so that a new column does not slip in


def known_at_the_call(collision, vehicle, casualty):
    when = ["hour", "day_of_week"]
    road = ["speed_limit", "road_class", "road_type", "junction", "rural"]
    around = ["light", "weather", "surface"]
    who = ["vehicles", "motorcycle", "pedal_cycle", "heavy_goods", "pedestrian"]
    return colleagues_table(collision, vehicle, casualty)[when + road + around + who]

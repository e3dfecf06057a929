# why: does not trust Benedict's function and builds the columns again


def known_at_the_call(collision, vehicle, casualty):
    index = collision["collision_index"]
    clock = pd.to_datetime(collision["time"].astype("object"), format="%H:%M", errors="coerce")
    speed = collision["speed_limit"]
    out = pd.DataFrame(
        {
            "hour": clock.dt.hour + clock.dt.minute / 60,
            "day_of_week": collision["day_of_week"],
            "speed_limit": speed.where((speed > 0) & (speed < 99)),
            "road_class": collision["first_road_class"],
            "road_type": collision["road_type"],
            "junction": collision["junction_detail"],
            "light": collision["light_conditions"],
            "weather": collision["weather_conditions"],
            "surface": collision["road_surface_conditions"],
            "rural": collision["urban_or_rural_area"],
            "vehicles": collision["number_of_vehicles"],
        }
    )
    for name, codes in {
        "motorcycle": {2, 3, 4, 5, 23, 97},
        "pedal_cycle": {1},
        "heavy_goods": {20, 21, 98},
    }.items():
        out[name] = index.isin(vehicle["collision_index"][vehicle["vehicle_type"].isin(codes)])
    out["pedestrian"] = index.isin(casualty["collision_index"][casualty["casualty_class"] == 3])
    return out.set_index(pd.Index(index))

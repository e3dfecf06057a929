# why: a function for one count


def publishable(counts):
    def one(count):
        if pd.isna(count) or 1 <= count <= 7:
            return pd.NA
        return int(5 * ((count + 2) // 5))

    return pd.Series([one(count) for count in counts], index=counts.index, dtype="Int64")

# why: counts below 0 look wrong
# loses: q8_hidden = 6


def noisy(counts, epsilon, most):
    if epsilon <= 0:
        raise ValueError("epsilon must be above 0")
    one = dp.m.make_laplace(dp.atom_domain(T=int), dp.absolute_distance(T=int), scale=float(most) / epsilon)
    return counts.map(lambda count: one(int(count))).astype("int64").clip(lower=0)

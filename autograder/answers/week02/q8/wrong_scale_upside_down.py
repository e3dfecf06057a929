# why: epsilon divided by what one person changes
# loses: q8_visible = 4
# loses: q8_hidden = 6


def noisy(counts, epsilon, most):
    if epsilon <= 0:
        raise ValueError("epsilon must be above 0")
    one = dp.m.make_laplace(dp.atom_domain(T=int), dp.absolute_distance(T=int), scale=epsilon / most)
    return counts.map(lambda count: one(int(count))).astype("int64")

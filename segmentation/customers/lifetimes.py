"""The arithmetic of buying until dropping out: likelihood, gradient and expected purchases.

While a customer is alive, purchases come at random at a rate λ of their own, and after each of them
the customer drops out with a chance p of their own. λ has a gamma distribution over the customers
(shape r, rate α), and p a beta distribution (a, b).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Cells", "alive", "expected", "newcomer"]

Floats = npt.NDArray[np.float64]
CHUNK = 2_000_000  # numbers held at once by the quadrature


class Cells:
    """Customers counted by frequency x, recency t and age T, and their log-likelihood.

    With ``δ = 1`` for x > 0 and 0 else, the likelihood of a customer is
    ``Γ(r+x)·α^r/Γ(r) · Γ(a+b)·Γ(b+x)/(Γ(b)·Γ(a+b+x)) · ((α+T)^−(r+x) + δ·a/(b+x−1)·(α+t)^−(r+x))``.
    """

    def __init__(self, x: Floats, t: Floats, age: Floats, n: Floats) -> None:
        self.x, self.t, self.age, self.n = x, t, age, n
        self._levels, self._level = np.unique(x, return_inverse=True)
        self._counts = np.bincount(self._level, n)
        self._repeat = x > 0

    def value(self, logs: Floats) -> tuple[float, Floats]:
        """Return the log-likelihood, and its gradient, at the logarithms of r, α, a and b."""
        from scipy.special import digamma, gammaln

        r, alpha, a, b = np.exp(logs)
        x, counts, total = self._levels, self._counts, self._counts.sum()
        once = gammaln(r + x) - gammaln(r) + gammaln(a + b) - gammaln(a + b + x)
        once += gammaln(b + x) - gammaln(b)
        reach, seen = np.log(alpha + self.age), np.log(alpha + self.t)
        power = r + self.x
        stayed = -power * reach
        later = np.where(self._repeat, b + self.x - 1, 1.0)
        left = np.where(self._repeat, np.log(a) - np.log(later) - power * seen, -np.inf)
        both = np.logaddexp(stayed, left)
        gone = np.exp(left - both)  # the chance of having left
        value = counts @ once + total * r * np.log(alpha) + self.n @ both
        by_r = counts @ (digamma(r + x) - digamma(r)) + total * np.log(alpha)
        by_r -= self.n @ ((1 - gone) * reach + gone * seen)
        by_alpha = total * r / alpha - (self.n * power) @ (
            (1 - gone) / (alpha + self.age) + gone / (alpha + self.t)
        )
        shared = counts @ (digamma(a + b) - digamma(a + b + x))
        by_a = shared + (self.n @ gone) / a
        by_b = shared + counts @ (digamma(b + x) - digamma(b)) - self.n @ (gone / later)
        return float(value), np.array([by_r * r, by_alpha * alpha, by_a * a, by_b * b])


def alive(x: Floats, t: Floats, age: Floats, r: float, alpha: float, a: float, b: float) -> Floats:
    """Return the chance that a customer has not dropped out: 1 before the first repeat purchase."""
    from scipy.special import expit

    later = np.where(x > 0, b + x - 1, 1.0)
    odds = np.log(a) - np.log(later) + (r + x) * (np.log(alpha + age) - np.log(alpha + t))
    return np.where(x > 0, expit(-odds), 1.0)


def expected(until: float, r: Floats, alpha: Floats, a: float, b: float) -> Floats:
    """Expected purchases within `until`, for arrays of r and α.

    Given p it is ``g(p) = (1 − (1 + p·until/α)^−r)/p``, and the mean over p is wanted. What is
    left of g after the straight line from g(0) to g(1) vanishes at both ends, so that the
    trapezoid rule over ln(p/(1−p)) is right to ten digits for every a and b. The closed form, a
    hypergeometric function, breaks at a = 1 and overflows for large r.
    """
    from scipy.special import betaln

    start, end = r * until / alpha, -np.expm1(-r * np.log1p(until / alpha))
    straight = (start * b + end * a) / (a + b)
    if until == 0:
        return straight
    middle = np.log((a + 1) / (b + 1))
    wide = np.sqrt(1 / (a + 1) + 1 / (b + 1))
    far = 40 + 2 * np.log1p(float(np.max(until / alpha)))
    low = middle - 10 * wide - far / (a + 1)
    high = max(middle, 0.0) + 10 * wide + 40 / (b + 1)
    points = int(np.ceil((high - low) / min(0.25, wide / 2))) + 1
    place, gap = np.linspace(low, high, points, retstep=True)
    p, q = 1 / (1 + np.exp(-place)), 1 / (1 + np.exp(place))
    weight = gap * np.exp(-a * np.log1p(np.exp(-place)) - b * np.logaddexp(0, place) - betaln(a, b))
    bent = np.empty_like(straight)
    size = max(1, CHUNK // points)
    for first in range(0, len(bent), size):
        part = slice(first, first + size)
        shape, rate = r[part, None], alpha[part, None]
        curve = -np.expm1(-shape * np.log1p(p * until / rate)) / p
        bent[part] = (curve - start[part, None] * q - end[part, None] * p) @ weight
    return np.asarray(straight + bent)


def newcomer(logs: Floats, times: Floats) -> Floats:
    """Return what is expected of a new customer by each time; `logs` are those of r, α, a, b."""
    r, alpha, a, b = np.exp(logs)
    each = [expected(float(t), np.array([r]), np.array([alpha]), a, b)[0] for t in times]
    return np.array(each)

"""What customers own: many sleeping accounts, a lognormal body and a Pareto tail."""

from __future__ import annotations

from typing import Any

import numpy as np

from segmentation.data.draws import Array, yuan
from segmentation.data.errors import TableError
from segmentation.data.rules import load_rules

__all__ = ["draw_aum", "draw_awake", "draw_dormant"]


def draw_aum(rng: np.random.Generator, n: int, config: str = "rural") -> Array:
    """Draw the AUM of `n` customers.

    A share of accounts is dormant, with a lognormal balance of a few yuan. Of the others most
    follow a lognormal body truncated where the tail begins, the rest a Pareto law truncated at the
    cap: log-survival falls by α for each log of AUM.

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
        Number of customers.
    config : str
        ``rural``, a rural commercial bank, or ``national``, a retail bank with private banking.
        Their parameters and sources stand in ``rules/network.toml``.

    Returns
    -------
    array of float, shape (n,)
        Yuan, to the cent.

    Raises
    ------
    TableError
        If there is no such configuration.

    Examples
    --------
    >>> aum = draw_aum(np.random.default_rng(1), 1000)
    >>> bool((aum >= 0).all() and aum.mean() > np.median(aum))
    True
    """
    rules = configuration(config)
    dormant = rng.random(n) < rules["dormant"]
    awake = draw_awake(rng, n, rules)
    return yuan(np.where(dormant, draw_dormant(rng, n, rules), awake))


def configuration(config: str) -> dict[str, Any]:
    """Return the parameters of a distribution of wealth."""
    known: dict[str, dict[str, Any]] = load_rules("network")["wealth"]
    if config not in known:
        raise TableError(
            "config", "there is no such distribution of wealth", f"Use one of {', '.join(known)}."
        )
    return known[config]


def draw_dormant(rng: np.random.Generator, n: int, rules: dict[str, Any]) -> Array:
    """Draw balances of sleeping accounts."""
    noise = rng.standard_normal(n)
    balance: Array = rules["dormant_median"] * np.exp(rules["dormant_sigma"] * noise)
    return balance


def draw_awake(rng: np.random.Generator, n: int, rules: dict[str, Any]) -> Array:
    """Draw the AUM of customers who use their account, by inverting body and tail."""
    from scipy.special import ndtr, ndtri

    in_tail, place = rng.random(n) < rules["tail"], rng.random(n)
    start, alpha = rules["tail_from"], rules["tail_alpha"]
    top = ndtr((np.log(start) - rules["body_mu"]) / rules["body_sigma"])
    body = np.exp(rules["body_mu"] + rules["body_sigma"] * ndtri(np.maximum(place, 1e-12) * top))
    within = 1 - (start / rules["cap"]) ** alpha
    tail = start * (1 - place * within) ** (-1 / alpha)
    aum: Array = np.where(in_tail, tail, body)
    return aum

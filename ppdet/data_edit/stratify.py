"""Divides units into parts so that each part has its share of every label.

The first division is iterative stratification (Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label
Data", 2011), with numbers of labels in place of their presence. Exchanges of two units then make the shares closer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_TRIED = 500  # partners that are tried for each unit
_MOST_UNITS = 2000  # that are exchanged, which bounds the work
_ROUNDS = 5


def stratify(counts: np.ndarray, shares: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """The part of each unit, [U] int64.

    Args:
        counts: [U, L] numbers of each label in each unit; the last label is the unit's size.
        shares: the share of each part; the sum is 1.
        rng: decides between equal choices.
    """
    labels = counts.astype(np.float64)
    labels = labels[:, labels.any(0)]
    wanted = np.outer(shares, labels.sum(0))  # [parts, L]
    return _exchanged(_divided(labels, wanted, rng), labels, wanted, rng)


def _divided(labels: np.ndarray, wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gives out the units of the rarest label first, each to the part that lacks most of it."""
    missing = wanted.copy()
    parts = np.full(len(labels), -1)
    order = rng.permutation(len(labels))
    units_left = (labels > 0).sum(0)
    while (parts < 0).any():
        label = int(np.argmin(np.where(units_left > 0, units_left, np.inf)))
        units = order[(parts[order] < 0) & (labels[order, label] > 0)]
        for unit in units[np.argsort(-labels[units, label], kind="stable")]:
            ties = rng.random(len(missing))
            part = np.lexsort((ties, missing[:, -1], missing[:, label]))[-1]
            parts[unit] = part
            missing[part] -= labels[unit]
            units_left -= labels[unit] > 0
    return parts


def _exchanged(parts: np.ndarray, labels: np.ndarray, wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Exchanges and moves units while that brings the numbers of labels closer to the wanted ones."""
    parts = parts.copy()
    surplus = np.stack([labels[parts == part].sum(0) for part in range(len(wanted))]) - wanted
    nothing = np.zeros((len(wanted), labels.shape[1]))  # a unit of each part that a move is an exchange with
    for _ in range(_ROUNDS):
        changed = False
        for unit in rng.permutation(len(labels))[:_MOST_UNITS]:
            own = parts[unit]
            tried = rng.integers(0, len(labels), _TRIED)
            to = np.concatenate([parts[tried], np.arange(len(wanted))])
            gained = np.concatenate([labels[tried], nothing]) - labels[unit]  # by the unit's part
            before = _cost(surplus[own], wanted[own]) + _cost(surplus[to], wanted[to])
            after = _cost(surplus[own] + gained, wanted[own]) + _cost(surplus[to] - gained, wanted[to])
            best = int(np.argmin(after - before))  # within a part nothing is gained
            if after[best] < before[best] - 1e-9:
                changed = True
                surplus[own] += gained[best]
                surplus[to[best]] -= gained[best]
                if best < len(tried):
                    parts[tried[best]] = own
                parts[unit] = to[best]
        if not changed:
            break
    return parts


def _cost(surplus: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The sum over the labels of the squared surplus, relative to what is wanted (as in a chi-squared test)."""
    return np.asarray((surplus**2 / wanted).sum(-1))

"""Inputs that move together: rank correlations as rows, and the Gaussian copula that gives them to draws.

The copula says in which order the values of a column come, not what they are: every input keeps its own distribution,
to the last value.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from workbench.checks import numbers
from workbench.decision.draws import MARKET, PRICES, Array, Key, key, shock_key
from workbench.decision.offers import Option
from workbench.records import Facts, Quantity, WorkbenchError

ROW = ("draws", "rank_correlation")
"""The model and the name of a row of parameters.csv whose subject names two inputs, and what they must share."""
MOVEMENT = "movement of price"
SHARED = ("seller", "accelerator")
LEAST = 1e-8
"""Of an eigenvalue: below it two inputs would be one."""
EQUAL = 1e-9
VANISHING = 1e-6
"""Eigenvalues that differ by less are one; what is left of a direction below that is rounding."""
ROUNDS = 100
CLOSE = 1e-10
SPEARMAN = 6.0
"""A normal pair with the correlation r has the rank correlation 6/pi asin(r/2) (Pearson, 1907)."""


@dataclass(frozen=True)
class Tie:
    """A row: inputs of two names have this rank correlation, where they share what `within` names (blank: always)."""

    one: str
    other: str
    within: str
    quantity: Quantity


@dataclass(frozen=True)
class Block:
    """Columns that move together, in a fixed order: `matrix` is the correlation of their normals, the nearest to what
    the rows say; `adjusted` is the largest change of an entry that this took, 0 where the rows agree."""

    keys: tuple[Key, ...]
    matrix: Array
    adjusted: float
    rows: tuple[str, ...]

    @cached_property
    def components(self) -> Array:
        """(column, component): how far each column follows each principal component, the largest first."""
        return components(self.matrix)


def ties(facts: Facts) -> list[Tie]:
    """The rank correlations of the datasets that are not 0.

    Raises WorkbenchError for a subject that does not name two inputs, or shares what is not known.
    """
    found = []
    for (model, subject, name), quantity in facts.parameters.items():
        if (model, name) == ROW and quantity.value:
            one, other, *within = subject.split("; ")
            if len(within) > 1 or not set(within) <= set(SHARED):
                raise WorkbenchError(quantity.rows[0], f"subject {subject!r} is not known",
                                     f"name two inputs, and {' or '.join(SHARED)} if they must share it")  # fmt: skip
            found.append(Tie(one, other, "".join(within), quantity))
    return found


def blocks(options: Iterable[Option], tied: Sequence[Tie]) -> tuple[Block, ...]:
    """The groups of uncertain inputs of the options that are correlated, directly or through others.

    An input that no row names is in none. Of several rows for a pair the strongest holds.
    """
    places = _places(options) if tied else {}
    pairs: dict[tuple[Key, Key], Tie] = {}
    for tie in sorted(tied, key=lambda t: abs(t.quantity.value)):
        pairs |= dict.fromkeys(_fitting(tie, places), tie)
    return tuple(_block(keys, pairs) for keys in _joined(pairs))


@dataclass(frozen=True)
class _Place:
    """What an uncertain thing is called, and whose it is: one seller's, one accelerator's, or blank for several."""

    role: str
    seller: str
    accelerator: str


def _places(options: Iterable[Option]) -> dict[Key, _Place]:
    found: dict[Key, _Place] = {MARKET: _Place(MARKET[0], "", "")}
    for option in options:
        for name, quantity in option.inputs.items():
            at = _Place(name, option.provider, option.price.gpu)
            if quantity.uncertain:
                k = key(quantity)
                found[k] = _common(found[k], at) if k in found else at
            if name in PRICES:
                found[shock_key(quantity)] = _Place(MOVEMENT, at.seller, at.accelerator)
    return found


def _common(one: _Place, other: _Place) -> _Place:
    return _Place(one.role, one.seller if one.seller == other.seller else "",
                  one.accelerator if one.accelerator == other.accelerator else "")  # fmt: skip


def _fitting(tie: Tie, places: Mapping[Key, _Place]) -> Iterable[tuple[Key, Key]]:
    """The pairs that a row holds for, each with the later key first."""
    of: dict[str, tuple[list[Key], list[Key]]] = defaultdict(lambda: ([], []))
    for k, place in places.items():
        shared = getattr(place, tie.within) if tie.within else "all"
        for role, side in zip((tie.one, tie.other), of[shared], strict=True):
            if place.role == role and shared:
                side.append(k)
    return {(max(pair), min(pair)) for sides in of.values() for pair in product(*sides) if pair[0] != pair[1]}


def _joined(pairs: Iterable[tuple[Key, Key]]) -> list[list[Key]]:
    """The connected groups."""
    group: dict[Key, list[Key]] = {}
    for one, other in pairs:
        first, second = group.setdefault(one, [one]), group.setdefault(other, [other])
        if first is not second:
            first += second
            group |= dict.fromkeys(second, first)
    return sorted(sorted(g) for g in {id(g): g for g in group.values()}.values())


def _block(keys: Sequence[Key], pairs: Mapping[tuple[Key, Key], Tie]) -> Block:
    asked, rows = np.eye(len(keys)), dict[str, None]()
    for i, one in enumerate(keys):
        for j, other in enumerate(keys[:i]):
            if (one, other) in pairs:
                tie = pairs[one, other]
                asked[i, j] = asked[j, i] = normal_correlation(tie.quantity.value)
                rows |= dict.fromkeys(tie.quantity.rows)
    matrix = nearest(asked)
    return Block(tuple(keys), matrix, float(np.abs(matrix - asked).max()), tuple(rows))


def normal_correlation(rank: float) -> float:
    """The correlation of two normals whose ranks have the correlation `rank`."""
    return float(2 * np.sin(np.pi * rank / SPEARMAN))


def nearest(matrix: Array) -> Array:
    """The correlation matrix nearest to `matrix`, which is symmetric with a diagonal of 1 (Higham, 2002); itself where
    it is one already.

    Raises WorkbenchError for anything else.
    """
    where = "decision.copula.nearest"
    (matrix,) = numbers(where, low=-1.0, matrix=matrix)
    if np.ndim(matrix) != 2 or not np.array_equal(matrix, np.transpose(matrix)) or not (np.diag(matrix) == 1).all():
        raise WorkbenchError(where, "no symmetric matrix with a diagonal of 1", "give correlations of each pair")
    if np.linalg.eigvalsh(matrix)[0] >= LEAST:
        return np.asarray(matrix)
    made, correction = np.array(matrix), np.zeros_like(matrix)
    for _ in range(ROUNDS):
        lifted = _lifted(made - correction)
        correction = lifted - (made - correction)
        before, made = made, lifted.copy()
        np.fill_diagonal(made, 1.0)
        if np.abs(made - before).max() < CLOSE:
            break
    made = _lifted(made)
    spread = np.sqrt(np.diag(made))
    made = made / np.outer(spread, spread)
    np.fill_diagonal(made, 1.0)
    return made


def _lifted(matrix: Array) -> Array:
    """The nearest matrix without eigenvalues below the least."""
    values, vectors = np.linalg.eigh(matrix)
    made = (vectors * np.maximum(values, LEAST)) @ vectors.T
    return np.asarray((made + made.T) / 2)


def components(matrix: Array) -> Array:
    """A root of a correlation matrix by its principal components, the largest first: root @ root.T is the matrix.

    The even draws of the first columns then go to what moves most. Components of equal size are a matter of taste,
    which must not be that of a machine's library: they are taken along the first column that has a part in them.
    """
    values, vectors = np.linalg.eigh(matrix)
    made: list[Array] = []
    cuts = np.flatnonzero(np.diff(values) > EQUAL) + 1
    for of in np.split(np.arange(len(values)), cuts)[::-1]:
        shadow, basis = vectors[:, of] @ vectors[:, of].T, list[Array]()
        for column in shadow.T:
            rest = column - sum((b * (b @ column) for b in basis), np.zeros_like(column))
            if len(basis) < len(of) and (length := np.linalg.norm(rest)) > VANISHING:
                basis.append(rest / length)
        made += [b * np.sqrt(values[of].mean()) for b in basis]
    return np.column_stack(made)

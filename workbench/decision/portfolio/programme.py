"""The plan as a mixed integer programme in arrays: min cost x, lower <= A x <= upper, 0 <= x <= most, some x whole.

Columns: orders (a capacity that starts in a month and runs for its term), use (units of a pool that work for a group in
a month), providers that are joined, and for money at risk a threshold and what each scenario costs beyond it. Reserved
capacity and onboarding are decided before the scenario is known, everything else in it.

No more is used than is needed, and nothing of a provider that is not joined, group by group and month by month: so the
relaxation is tight and most whole numbers are found at its corners (the strong form of the facility location problem).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.decision.portfolio.capacity import Array, Index, Market

BEFORE = -1
"""The scenario of what is decided before any is known."""


class Block(NamedTuple):
    """Columns or rows of one kind: the first of them, and their axes."""

    first: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    def at(self, *axes: Any) -> Any:
        """The numbers of the columns or rows at a place of the axes."""
        return self.first + np.ravel_multi_index(np.broadcast_arrays(*axes), self.shape)

    def of(self, values: Array) -> Array:
        """This block's part of something that has one value for each column or row."""
        return values[self.first : self.first + self.size].reshape(self.shape)


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What the columns stand for. The first are orders: their scenario, capacity, first month, and term."""

    scenario: Index
    capacity: Index
    start: Index
    term: Index
    running: tuple[Index, Index, Index]
    """(order, scenario, month) of every month in which an order is there to be used."""
    group: Index
    pool: Index
    """Of each pair: a group, and a pool that serves it."""
    use: Block
    """(scenario, pair, month)."""
    joined: Block
    providers: tuple[str, ...]
    threshold: Block
    beyond: Block

    @property
    def count(self) -> int:
        return self.beyond.first + self.beyond.size


@dataclass(frozen=True, kw_only=True)
class Programme:
    """The arrays, and what their columns and rows stand for. A is given by rows: starts, indices, values."""

    market: Market
    columns: Columns
    rows: Mapping[str, Block]
    cost: Array
    most: Array
    whole: NDArray[np.bool_]
    lower: Array
    upper: Array
    starts: Index
    indices: Index
    values: Array

    @property
    def rates_in_rows(self) -> bool:
        """Whether a price move changes more than the objective."""
        return "budget" in self.rows or "risk" in self.rows


class _Rows:
    """Rows as they are written, one block after the other."""

    def __init__(self) -> None:
        self.blocks: dict[str, Block] = {}
        self.bounds: list[tuple[Array, Array]] = []
        self.entries: list[tuple[Any, Any, Any]] = []
        self.count = 0

    def block(self, name: str, shape: tuple[int, ...], lower: Any, upper: Any) -> Block:
        block = self.blocks[name] = Block(self.count, shape)
        low, high = (np.broadcast_to(np.asarray(b, float), shape).ravel() for b in (lower, upper))
        self.bounds.append((low, high))
        self.count += block.size
        return block

    def enter(self, rows: Any, columns: Any, values: Any) -> None:
        row, column, value = (a.ravel() for a in np.broadcast_arrays(rows, columns, values))
        self.entries.append((row, column, value))

    def arrays(self) -> dict[str, Any]:
        rows, columns, values = (np.concatenate(part) for part in zip(*self.entries, strict=True))
        lower, upper = (np.concatenate(part) for part in zip(*self.bounds, strict=True))
        order = np.argsort(rows, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=self.count))])
        return {"rows": self.blocks, "lower": lower, "upper": upper, "starts": starts, "indices": columns[order],
                "values": values[order].astype(float)}  # fmt: skip


def programme(market: Market) -> Programme:
    """The arrays of what was asked."""
    columns = _columns(market)
    rows = _Rows()
    for write in (_serve, _cap, _hold, _join, _spread, _pay, _risk):
        write(rows, market, columns)
    most, whole = np.full(columns.count, np.inf), np.zeros(columns.count, bool)
    most[: columns.use.first] = _most(market, columns)
    whole[: columns.use.first] = np.array([c.whole for c in market.capacities])[columns.capacity]
    columns.joined.of(most)[:], columns.joined.of(whole)[:] = 1, True
    return Programme(market=market, columns=columns, cost=objective(market, columns), most=most, whole=whole,
                     **rows.arrays())  # fmt: skip


# --- columns


def _columns(market: Market) -> Columns:
    months, scenarios = market.months, np.arange(market.scenarios)
    found = []
    for i, c in enumerate(market.capacities):
        starts = np.arange(int(c.lead_months), months)
        decided = np.array([BEFORE]) if c.whole else scenarios
        found.append([a.ravel() for a in np.broadcast_arrays(decided[:, None], i, starts, int(c.term_months))])
    scenario, capacity, start, term = (np.concatenate(part) for part in zip(*found, strict=True))
    month = np.arange(months)
    order, running = np.nonzero((start[:, None] <= month) & (month < (start + term)[:, None]))
    everywhere = _in_every_scenario(scenario, order, running, market.scenarios)
    group, pool = np.nonzero(market.serves_gp)
    use = Block(len(start), (market.scenarios, len(group), months))
    joined = Block(use.first + use.size, (len(market.onboarding),))
    tail = int(market.risk.weight > 0)
    threshold = Block(joined.first + joined.size, (tail,))
    beyond = Block(threshold.first + tail, (tail * market.scenarios,))
    return Columns(scenario=scenario, capacity=capacity, start=start, term=term, running=everywhere, group=group,
                   pool=pool, use=use, joined=joined, providers=tuple(market.onboarding), threshold=threshold,
                   beyond=beyond)  # fmt: skip


def _in_every_scenario(scenario: Index, order: Index, month: Index, scenarios: int) -> tuple[Index, Index, Index]:
    """What is decided before runs in every scenario."""
    known = scenario[order] != BEFORE
    before = order[~known]
    every = np.repeat(np.arange(scenarios), len(before))
    return (np.concatenate([order[known], np.tile(before, scenarios)]),
            np.concatenate([scenario[order[known]], every]),
            np.concatenate([month[known], np.tile(month[~known], scenarios)]))  # fmt: skip


def objective(market: Market, columns: Columns) -> Array:
    """USD of each column: expected cost, plus its weight in the money at risk."""
    risk, chance = market.risk, np.append(market.probabilities, 1 + market.risk.weight)  # the last is BEFORE's
    cost = np.zeros(columns.count)
    cost[: columns.use.first] = order_prices(market, columns) * chance[columns.scenario]
    columns.use.of(cost)[:] = usage_prices(market, columns)[:, None] * market.probabilities[:, None, None]
    columns.joined.of(cost)[:] = np.array(list(market.onboarding.values())) * (1 + risk.weight)
    columns.threshold.of(cost)[:] = risk.weight
    columns.beyond.of(cost)[:] = (risk.weight * market.probabilities / (1 - risk.level))[: columns.beyond.size]
    return cost


def order_prices(market: Market, columns: Columns) -> Array:
    """USD of one unit of each order over its whole term, to its end."""
    rates = market.rates_scm[columns.scenario, columns.capacity, columns.start]  # a reserved rate has no scenario
    return np.asarray(rates * columns.term)


def usage_prices(market: Market, columns: Columns) -> Array:
    """USD per unit and month in use of each pair."""
    return market.usage_gp[columns.group, columns.pool]


def _serves(market: Market, columns: Columns) -> Array:
    return market.serves_gp[columns.group, columns.pool]


def _most(market: Market, columns: Columns) -> Array:
    """Units of each order beyond which none could ever be used."""
    units = np.zeros((market.scenarios, len(market.provider_of), market.months))
    pair = market.demand_sgm[:, columns.group] / _serves(market, columns)[:, None]
    np.add.at(units.swapaxes(0, 1), columns.pool, pair.swapaxes(0, 1))
    needed = np.zeros(len(columns.start))
    order, scenario, month = columns.running
    np.maximum.at(needed, order, units[scenario, market.pool_of[columns.capacity[order]], month])
    return np.ceil(needed)


# --- rows


def _places(columns: Columns) -> tuple[Index, Index, Index]:
    """The axes of the use columns, to be broadcast."""
    scenario, pair, month = columns.use.shape
    return np.arange(scenario)[:, None, None], np.arange(pair)[:, None], np.arange(month)


def _serve(rows: _Rows, market: Market, columns: Columns) -> None:
    """Demand is met by what is used, and what is used is there."""
    scenario, pair, month = _places(columns)
    demand = rows.block("demand", market.demand_sgm.shape, market.demand_sgm, market.demand_sgm)
    rows.enter(demand.at(scenario, columns.group[pair], month), columns.use.at(scenario, pair, month),
               _serves(market, columns)[pair])  # fmt: skip
    pool = rows.block("pool", (market.scenarios, len(market.provider_of), market.months), 0, np.inf)
    rows.enter(pool.at(scenario, columns.pool[pair], month), columns.use.at(scenario, pair, month), -1)
    order, known, running = columns.running
    rows.enter(pool.at(known, market.pool_of[columns.capacity[order]], running), order, 1)


def _cap(rows: _Rows, market: Market, columns: Columns) -> None:
    """(scenario, capacity, month): what runs at once is within the cap. What is decided before counts once."""
    caps = [np.inf if c.cap is None else np.floor(c.cap) if c.whole else c.cap for c in market.capacities]
    capped = np.flatnonzero(np.isfinite(caps))
    if not len(capped):
        return
    block = rows.block("cap", (market.scenarios, len(capped), market.months), -np.inf,
                       np.array(caps)[capped][:, None])  # fmt: skip
    order, scenario, month = columns.running
    kept = np.isin(columns.capacity[order], capped)
    kept &= (scenario == 0) | (columns.scenario[order] != BEFORE)
    place = np.searchsorted(capped, columns.capacity[order[kept]])
    rows.enter(block.at(scenario[kept], place, month[kept]), order[kept], 1)


def _hold(rows: _Rows, market: Market, columns: Columns) -> None:
    """(scenario, provider, month): all that runs at once at a provider is within what it has."""
    limited = held(market)
    if not limited:
        return
    sizes = np.array([market.max_size[p] for p in limited])[:, None]
    block = rows.block("size", (market.scenarios, len(limited), market.months), -np.inf, sizes)
    places = [limited.index(c.provider) if c.provider in limited else -1 for c in market.capacities]
    order, scenario, month = columns.running
    of, counts = columns.capacity[order], np.array([float(c.size) for c in market.capacities])
    kept = np.array(places)[of] >= 0
    rows.enter(block.at(scenario[kept], np.array(places)[of[kept]], month[kept]), order[kept], counts[of[kept]])


def held(market: Market) -> tuple[str, ...]:
    """The providers that have only so much, in the order of their rows."""
    return tuple(p for p in market.max_size if p in market.provider_of)


def _join(rows: _Rows, market: Market, columns: Columns) -> None:
    """(scenario, group, provider, month): a provider serves nothing of a group's demand unless it is joined."""
    if not columns.providers:
        return
    scenario, pair, month = _places(columns)
    shape = (market.scenarios, len(market.serves_gp), len(columns.providers), market.months)
    block = rows.block("join", shape, -np.inf, 0)
    provider = _which(market, columns, columns.providers)
    pair = pair[provider[pair[:, 0]] >= 0]
    rows.enter(block.at(scenario, columns.group[pair], provider[pair], month), columns.use.at(scenario, pair, month),
               _serves(market, columns)[pair])  # fmt: skip
    axes = np.indices(shape)
    rows.enter(block.at(*axes), columns.joined.at(axes[2]), -market.demand_sgm[:, :, None])


def _which(market: Market, columns: Columns, providers: tuple[str, ...]) -> Index:
    """For each pair the place of its provider among `providers`, -1 where it is not among them."""
    places = [providers.index(p) if p in providers else -1 for p in market.provider_of]
    return np.array(places)[columns.pool]


def _spread(rows: _Rows, market: Market, columns: Columns) -> None:
    """(scenario, provider): no provider does more than its share of the horizon's work."""
    limited = tuple(p for p in market.max_share if p in market.provider_of)
    if not limited:
        return
    work = market.demand_sgm.sum(axis=(1, 2))[:, None]
    shares = np.array([market.max_share[p] for p in limited])
    block = rows.block("share", (market.scenarios, len(limited)), -np.inf, work * shares)
    scenario, pair, month = _places(columns)
    provider = _which(market, columns, limited)
    pair = pair[provider[pair[:, 0]] >= 0]
    rows.enter(block.at(scenario, provider[pair]), columns.use.at(scenario, pair, month),
               _serves(market, columns)[pair])  # fmt: skip


def _pay(rows: _Rows, market: Market, columns: Columns) -> None:
    """(scenario, month): payments are within the budget: upfront shares as a term starts, the rest month by month,
    onboarding as it falls due."""
    if market.budget is None:
        return
    block = rows.block("budget", (market.scenarios, market.months), -np.inf, market.budget)
    order, scenario, month = columns.running
    upfront = np.array([c.upfront for c in market.capacities])[columns.capacity]
    price = order_prices(market, columns)
    monthly = (price * (1 - upfront) / columns.term)[order] + np.where(
        month == columns.start[order], (price * upfront)[order], 0
    )
    rows.enter(block.at(scenario, month), order, monthly)
    scenario, pair, month = _places(columns)
    rows.enter(block.at(scenario, month), columns.use.at(scenario, pair, month), usage_prices(market, columns)[pair])
    provider, due = np.arange(len(columns.providers))[:, None], np.flatnonzero(market.joining)
    paid = np.array(list(market.onboarding.values()))[:, None] * market.joining[due]
    rows.enter(block.at(scenario, due), columns.joined.at(provider), paid)


def _risk(rows: _Rows, market: Market, columns: Columns) -> None:
    """(scenario,): what a scenario costs beyond the threshold, by Rockafellar and Uryasev's linear form of CVaR. What
    is decided before costs the same in all and would move the threshold alone, so it is left out."""
    if not columns.threshold.size:
        return
    block = rows.block("risk", (market.scenarios,), 0, np.inf)
    scenario, pair, month = _places(columns)
    rows.enter(block.at(np.arange(market.scenarios)), columns.beyond.at(np.arange(market.scenarios)), 1)
    rows.enter(block.at(np.arange(market.scenarios)), columns.threshold.first, 1)
    later = np.flatnonzero(columns.scenario != BEFORE)
    rows.enter(block.at(columns.scenario[later]), later, -order_prices(market, columns)[later])
    rows.enter(block.at(scenario), columns.use.at(scenario, pair, month), -usage_prices(market, columns)[pair])

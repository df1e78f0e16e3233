"""Exact queueing theory: instant answers for sliders, and what the simulator is held against.

Arrivals are Poisson, rates are per second; the offered load is arrival rate x mean service. Arguments are numbers or
arrays that broadcast. Each function raises WorkbenchError on one that is not finite, negative, or zero where something
must arrive or be served, and on a saturated system (a load of at least its servers).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.checks import fitting, numbers
from workbench.records import WorkbenchError
from workbench.units import Count, PerSecond, Ratio, Seconds, Share

MOST_SERVERS = 10_000_000  # more than any fleet has: a bound for time and memory
MOST_SETUP_SERVERS = 1_000  # of the exact set-up chain, whose time and memory go with their square
ROUNDING = 1e-12  # a load as near as this to its servers is saturated: a float cannot tell by how little it is not
NEGLIGIBLE = math.log(1e18)  # what is less likely than e to the minus this is left out, far below a float's rounding
UNDERFLOW = -math.log(np.finfo(float).smallest_subnormal)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The wait of an M/M/c queue, first come first served, from arrival to the start of service.

    A share `probability` waits, for an exponential time of rate `drain_rate` = c mu - lambda.
    """

    probability: Share
    drain_rate: PerSecond

    @property
    def wait_mean(self) -> Seconds:
        """Mean over all requests, those that do not wait included."""
        return self.probability / self.drain_rate

    def wait_quantile(self, p: Share) -> Seconds:
        """The wait that a share `p` of requests does not exceed; 0 < p < 1."""
        rest = _rest("models.queueing.Waiting.wait_quantile", p=p)
        with np.errstate(divide="ignore"):
            return _plain(np.maximum(np.log(self.probability / rest), 0) / self.drain_rate)

    def wait_exceeds(self, t: Seconds) -> Share:
        """The share of requests that wait longer than `t`."""
        (t,) = numbers("models.queueing.Waiting.wait_exceeds", t=t)
        return _plain(self.probability * np.exp(-self.drain_rate * t))


@dataclass(frozen=True, slots=True)
class WarmPool:
    """Replicas kept alive for a while after each request: `mean_replicas` are busy or kept alive."""

    cold_share: Share
    mean_replicas: Count


@dataclass(frozen=True, slots=True)
class SetupQueue:
    """Servers that go off when idle and take time to come on: `mean_replicas` are busy, setting up or kept alive.

    A response runs from arrival to the end of service.
    """

    response_mean: Seconds
    setting_up_mean: Count
    mean_replicas: Count


def erlang_b(servers: Count, offered: Ratio) -> Share:
    """The share of requests lost where none can wait: (a^c / c!) / (sum over n <= c of a^n / n!) (Erlang, 1917)."""
    where = "models.queueing.erlang_b"
    servers, (offered,) = _whole(where, servers=servers), numbers(where, offered=offered)
    fitting(where, servers, offered)
    return _plain(_blocking(servers, offered))


def erlang_c(servers: Count, offered: Ratio) -> Share:
    """The share of requests that wait in an M/M/c queue: B / (1 - (a / c) (1 - B)) (Erlang, 1917)."""
    where = "models.queueing.erlang_c"
    servers, (offered,) = _whole(where, servers=servers), numbers(where, offered=offered)
    _refuse_saturated(where, offered, servers)
    return _plain(_waiting(_blocking(servers, offered), servers, offered))


def mmc(arrival_rate: PerSecond, service_rate: PerSecond, servers: Count) -> Waiting:
    """The M/M/c queue: a share C of requests waits, for an exponential time of rate c mu - lambda (Erlang, 1917)."""
    where = "models.queueing.mmc"
    _, service_rate, offered = _traffic(where, arrival_rate, service_rate=service_rate)
    servers = _whole(where, servers=servers)
    _refuse_saturated(where, offered, servers)
    waiting = _waiting(_blocking(servers, offered), servers, offered)
    return Waiting(_plain(waiting), *numbers(where, drain_rate=(servers - offered) * service_rate))


def mgc_allen_cunneen(
    arrival_rate: PerSecond, service_rate: PerSecond, servers: Count, arrival_cv2: Ratio, service_cv2: Ratio
) -> Seconds:
    """Mean wait in a G/G/c queue, an approximation: M/M/c's times the mean of the squared variations (Allen, 1978)."""
    where = "models.queueing.mgc_allen_cunneen"
    arrival_cv2, service_cv2 = numbers(where, arrival_cv2=arrival_cv2, service_cv2=service_cv2)
    wait_mean = mmc(arrival_rate, service_rate, servers).wait_mean
    fitting(where, wait_mean, arrival_cv2, service_cv2)
    return wait_mean * (arrival_cv2 + service_cv2) / 2


def servers_for(arrival_rate: PerSecond, service_rate: PerSecond, wait_s: Seconds, miss: Share) -> Any:
    """The least servers with which at most a share `miss` of requests, 0 < miss < 1, waits longer than `wait_s`."""
    where = "models.queueing.servers_for"
    _, service_rate, offered, wait_s = _traffic(where, arrival_rate, service_rate=service_rate, wait_s=wait_s)
    fitting(where, offered, wait_s, _rest(where, miss=miss))
    least = np.vectorize(_least_servers, otypes=[np.int64])(offered, wait_s * service_rate, miss)
    return least if least.ndim else int(least)


def _least_servers(offered: float, patience: float, miss: float) -> int:
    """Upwards from the least stable number, by Erlang's recursion; `patience` is the wait in mean services."""
    servers = math.floor(offered * (1 + ROUNDING)) + 1
    blocked = float(_blocking(servers, offered))
    while _waiting(blocked, servers, offered) * math.exp((offered - servers) * patience) > miss:
        servers += 1
        blocked = offered * blocked / (servers + offered * blocked)
    return servers


@np.vectorize(otypes=[float])
def _blocking(servers: float, offered: float) -> Any:
    """Erlang B as 1 / (1 + c/a + c(c-1)/a^2 + ...): the terms rise for c - a steps, then fall like a normal density.

    Where they overflow, the share is below the smallest float.
    """
    rising = max(servers - offered, 0)
    if rising**2 > 2 * servers * UNDERFLOW:  # the share is below exp(-(c - a)^2 / 2c), by Chernoff's bound
        return 0.0
    with np.errstate(divide="ignore", over="ignore"):
        terms = np.arange(min(servers, np.ceil(rising + _reach(offered))))
        return 1 / (1 + np.cumprod((servers - terms) / offered).sum())


def _waiting(blocked: Share, servers: Count, offered: Ratio) -> Share:
    return blocked / (1 - offered / servers * (1 - blocked))


# --- keep-alive

_COUNT = 16
_TURN = 1 + 1j * (np.arange(_COUNT) + 0.5) * (3 / _COUNT)
_NODES = math.pi * _COUNT / 12 * _TURN**2
_WEIGHTS = np.exp(_NODES) * _TURN / 2
"""Real part of values at the nodes @ weights inverts a Laplace transform at time 1, to 8.1^-_COUNT: a parabola around
the negative axis, where all poles are (Weideman and Trefethen, 2007)."""


def keep_alive(
    arrival_rate: PerSecond, service_mean_s: Seconds, keep_alive_s: Seconds, *, concurrency: Any = 1,
    min_replicas: Any = 0,
) -> WarmPool:  # fmt: skip
    """Replicas that serve one request at a time and expire when idle for `keep_alive_s`; no limit, exponential service.

    The newest idle replica is taken first, so the pool is a stack: a request that finds n busy is cold if the busy
    count, an M/M/infinity queue, has not exceeded n within the last `keep_alive_s`. That queue is the same backwards in
    time, so the time from n to n + 1 busy decides; its transform follows state by state (Keilson, 1965) and is inverted
    to about 1e-12. The mean of the highest count grows with the keep-alive at the rate of cold requests, so
    mean replicas = busy ones + arrival rate x integral of the cold share over the keep-alive. At least `min_replicas`
    stay, whichever they are. With a `concurrency` requests move together: real replicas stay longer, and start less.
    """
    where = "models.queueing.keep_alive"
    rate, mean, offered, kept = _traffic(where, arrival_rate, service_mean_s=service_mean_s, keep_alive_s=keep_alive_s)
    size, least = _whole(where, concurrency=concurrency), _whole(where, low=0, min_replicas=min_replicas)
    requests, services = numbers(where, requests_while_kept=rate * kept, services_while_kept=kept / mean)
    columns = [np.asarray(v)[..., np.newaxis] for v in (offered, requests, services)]
    first_time, more = _first_time(*columns, size=size, least=least)
    cold = np.real(first_time / _NODES @ _WEIGHTS)
    unused = requests * np.real(first_time / _NODES**2 @ _WEIGHTS)
    replicas = offered + more + np.clip(unused, 0, requests)
    return WarmPool(*numbers(where, cold_share=np.clip(cold, 0, 1), mean_replicas=replicas))


def _first_time(offered: Any, requests: Any, services: Any, *, size: float, least: float) -> Any:
    """1 - E exp(-z time from n to n + 1 busy) at the nodes z, the keep-alive as the unit of time, summed over the n at
    which a replica of `size` starts; and how many more replicas than requests are busy or among the least."""
    reach = _reach(offered, NEGLIGIBLE + np.log1p(requests))  # beyond it states are met negligibly often in that time
    states = np.arange(max(int(np.min(offered - reach)), 0), int(np.max(offered + reach)) + 2)
    logs = np.cumsum(np.log(offered) - np.log(np.maximum(states, 1)), axis=-1)
    shares = np.exp(logs - logs.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    starting = shares * ((states % size == 0) & (states >= least * size))
    missing = total = np.zeros(1)
    for busy, share in zip(states, np.moveaxis(starting, -1, 0), strict=True):
        other = _NODES + busy * services * missing
        missing = other / (requests + other)
        total = total + share[..., np.newaxis] * missing
    return total, shares @ (np.maximum(np.ceil(states / size), least) - states)


def keep_alive_renewal(gap_mean_s: Seconds, gap_cv2: Ratio, keep_alive_s: Seconds) -> WarmPool:
    """One replica, services short against the gaps between requests, which are independent and gamma distributed.

    A request is cold if its gap exceeds `keep_alive_s`, and the lesser of the two is paid (renewal theorem). `gap_cv2`,
    the squared coefficient of variation, is 1 for Poisson traffic and more for bursts.
    """
    where = "models.queueing.keep_alive_renewal"
    gap_mean_s, gap_cv2 = numbers(where, strict=True, gap_mean_s=gap_mean_s, gap_cv2=gap_cv2)
    (keep_alive_s,) = numbers(where, keep_alive_s=keep_alive_s)
    fitting(where, gap_mean_s, gap_cv2, keep_alive_s)
    kept, shape = keep_alive_s / gap_mean_s, _bounded(where, gap_shape=1 / gap_cv2)
    warm, first = _gamma(shape, shape * kept)
    cold = np.maximum(1 - warm, 0)
    return WarmPool(_plain(cold), _plain(np.clip(warm - first + kept * cold, 0, kept)))


@np.vectorize(otypes=[float, float])
def _gamma(shape: float, x: float) -> tuple[float, float]:
    """P(k, x) by its series, and x^k e^-x / Gamma(k + 1), its first term (DLMF 8.7.1)."""
    x = min(x, shape + _reach(shape))
    terms = np.arange(1, math.ceil(max(x - shape, 0) + _reach(x)) + 1)
    first = math.exp(shape * math.log(x) - x - math.lgamma(shape + 1)) if x > 0 else 0.0
    return first * (1 + float(np.cumprod(x / (shape + terms)).sum())), first


# --- set-up times


def setup_mg1(
    arrival_rate: PerSecond, service_mean_s: Seconds, service_cv2: Ratio, setup_mean_s: Seconds, setup_cv2: Ratio,
    *, keep_alive_s: Seconds = 0.0,
) -> SetupQueue:  # fmt: skip
    """One server, general service and set-up I: M/G/1's wait + (2 E I + lambda E I^2) / (2 (1 + lambda E I)).

    Sources: Welch (1964); Levy and Kleinrock (1986). Kept on for `keep_alive_s` after it falls idle, the server is off,
    so that I is not 0, for the first request of a share exp(-lambda x keep-alive) of its idle times.
    """
    where = "models.queueing.setup_mg1"
    arrival_rate, service_mean_s, load, service_cv2, setup_mean_s, setup_cv2, keep_alive_s = _traffic(
        where, arrival_rate, service_mean_s=service_mean_s, service_cv2=service_cv2, setup_mean_s=setup_mean_s,
        setup_cv2=setup_cv2, keep_alive_s=keep_alive_s,
    )  # fmt: skip
    _refuse_saturated(where, load, 1)
    off = np.exp(-arrival_rate * keep_alive_s)
    requests = arrival_rate * setup_mean_s
    wait = load * service_mean_s * (1 + service_cv2) / (2 * (1 - load))
    with np.errstate(over="ignore"):
        delay = off * setup_mean_s * (2 + requests * (1 + setup_cv2)) / (2 * (1 + off * requests))
    idle = (1 - load) / (1 + off * requests)
    return _setup_queue(where, wait + delay + service_mean_s, idle * off * requests, 1 - idle * off)


def setup_mmk(
    arrival_rate: PerSecond, service_rate: PerSecond, servers: Count, setup_mean_s: Seconds, *, at_once: Any = None
) -> SetupQueue:
    """Servers go off when no request waits; each request that waits sets one up, where one is off.

    A set-up is exponential, and cancelled when no request waits for it; at most `at_once` run at a time (1: staggered).
    Nothing is cut off: the error is of rounding, about 1e-16 x the requests in a set-up. Source of the chain: Gandhi,
    Doroudi, Harchol-Balter and Scheller-Wolf, "Exact analysis of the M/M/k/setup class of Markov chains", 2013.
    """
    where = "models.queueing.setup_mmk"
    arrival_rate, service_rate, offered, setup_mean_s = _traffic(
        where, arrival_rate, service_rate=service_rate, setup_mean_s=setup_mean_s
    )
    servers = _whole(where, MOST_SETUP_SERVERS, servers=servers)
    at_once = servers if at_once is None else _whole(where, at_once=at_once)
    _bounded(where, requests_in_a_setup=arrival_rate * setup_mean_s)
    fitting(where, offered, servers, setup_mean_s, at_once)
    _refuse_saturated(where, offered, servers)
    shortest = math.exp(-NEGLIGIBLE) / service_rate  # what stands for no set-up at all
    requests, setting_up = _chain(arrival_rate, service_rate, servers, np.maximum(setup_mean_s, shortest), at_once)
    setting_up = setting_up * (setup_mean_s > 0)
    return _setup_queue(where, requests / arrival_rate, setting_up, offered + setting_up)


@np.vectorize(otypes=[float, float])
def _chain(arrive: float, service_rate: float, servers: float, setup_mean: float, at_once: float) -> Any:
    """Mean numbers of requests and of set-ups, row by row over the number of servers that are on.

    A row is a birth-death chain over the requests, fed by the set-ups that end in the row before; they are as many as
    the servers that go off in its own first state. From `servers` requests on the rates are constant and `_climb`
    continues it to infinity. All terms are positive: nothing cancels.
    """
    requests, setup_rate = np.arange(servers + 1), 1 / setup_mean
    serve, most_setups = requests * service_rate, np.minimum(servers - requests, at_once)
    climb = _climb(arrive, serve, most_setups * setup_rate)
    inflow = np.zeros(len(serve))
    edge, tail, excess = inflow.copy(), inflow.copy(), inflow.copy()  # by row: at `servers`; there or beyond; how far
    totals, first = np.array(0), 1.0  # of probability, requests, set-ups, up to one factor
    for on, rate in enumerate(serve):
        lower, again = climb[:on, on], climb[on, on]
        setups = np.clip(requests - on, 0, most_setups[on])
        leave = arrive + rate + setups * setup_rate
        row = _row(arrive, rate, leave[on:], inflow[on:], (first, again, edge[:on] @ lower))
        edge[on], inflow[on:] = row[-1], row * setups[on:] * setup_rate
        tail[on] = (row[-1] + tail[:on] @ lower) / (1 - again)
        excess[on] = ((tail + excess)[:on] @ lower + tail[on] * again) / (1 - again)
        row[-1] = tail[on]
        totals = np.add(totals, (row.sum(), row @ requests[on:] + excess[on], row @ setups[on:]))
        first = row @ setups[on:] * setup_rate / serve[min(on + 1, len(serve) - 1)]
        scale = max(first, 1)  # rows may grow by e^load in all: keep away from overflow
        first, totals = first / scale, totals / scale
        for sums in (edge, tail, excess, inflow):
            np.divide(sums, scale, out=sums)
    return totals[1] / totals[0], totals[2] / totals[0]


def _climb(arrive: float, serve: Any, wake: Any) -> Any:
    """R of the matrix-geometric form (Neuts, 1981): states with n + 1 requests = states with n @ R, n at least servers.

    While requests wait servers only come on, so R is upper triangular, and its diagonal solves a quadratic equation.
    """
    root = np.hypot(arrive - serve, np.sqrt(wake) * np.sqrt(wake + 2 * (arrive + serve)))
    both = arrive + serve + wake + root
    climb = np.diag(2 * arrive / both)
    for on in range(len(serve) - 2, -1, -1):
        row, through = climb[on], np.zeros(len(serve))
        divisor = both / 2 - serve * row[on]
        for to in range(on + 1, len(serve)):
            row[to] = (serve[to] * through[to] + wake[to - 1] * row[to - 1]) / divisor[to]
            through[to + 1 :] += row[to] * climb[to, to + 1 :]
    return climb


def _row(arrive: float, serve: float, leave: Any, inflow: Any, ends: tuple[float, float, float]) -> Any:
    """A row's states by elimination: the first is given, the one after the last is `again` x the last + `gain`."""
    first, again, gain = ends
    steps = []
    for out, extra in zip(leave[:0:-1].tolist(), inflow[:0:-1].tolist(), strict=True):
        rate = out - serve * again
        again, gain = arrive / rate, (extra + serve * gain) / rate
        steps.append((again, gain))
    row = [first]
    for again, gain in reversed(steps):
        row.append(again * row[-1] + gain)
    return np.array(row)


# --- the door, and what all share


def _traffic(where: str, arrival_rate: Any, **more: Any) -> list[Any]:
    """The arrival rate, the rate or mean of service (first of `more`), the offered load, and the rest of `more`."""
    (name, service), *others = more.items()
    arrival_rate, pace = numbers(where, strict=True, arrival_rate=arrival_rate, **{name: service})
    rest = numbers(where, **dict(others))
    fitting(where, arrival_rate, pace, *rest)
    offered = _bounded(where, offered_load=arrival_rate / pace if name == "service_rate" else arrival_rate * pace)
    return [arrival_rate, pace, _plain(np.maximum(offered, np.finfo(float).tiny)), *rest]


def _bounded(where: str, **counts: Any) -> Any:
    ((name, count),) = counts.items()  # it bounds the work of an answer
    if np.any(numbers(where, **counts)[0] > MOST_SERVERS):
        raise WorkbenchError(where, f"{name}={count} is too much", f"keep it to {MOST_SERVERS:,}")
    return count


def _whole(where: str, most: int = MOST_SERVERS, low: int = 1, **counts: Any) -> Any:
    ((name, count),) = counts.items()
    (number,) = numbers(where, low=low, **counts)
    if np.any((number != np.floor(number)) | (number > most)):
        raise WorkbenchError(where, f"{name}={count!r} is out of range", f"give a whole number from {low} to {most:,}")
    return number


def _rest(where: str, **shares: Any) -> Any:
    """1 - share, for a share between 0 and 1."""
    ((name, share),) = shares.items()
    (share,) = numbers(where, strict=True, **shares)
    return numbers(where, strict=True, **{f"1 - {name}": 1 - share})[0]


def _refuse_saturated(where: str, offered: Any, servers: Any) -> None:
    fitting(where, offered, servers)
    full = offered * (1 + ROUNDING) >= servers
    if np.any(full):
        load = float(np.max(np.where(full, offered, 0)))
        there = np.min(np.where(full, servers, np.inf))
        what = f"saturated: the queue for an offered load of {load:g} on {there:g} servers grows without end"
        least = math.floor(load * (1 + ROUNDING)) + 1
        raise WorkbenchError(where, what, f"give at least {least:,} servers, or a smaller load")


def _setup_queue(where: str, response: Any, setting_up: Any, replicas: Any) -> SetupQueue:
    return SetupQueue(*numbers(where, response_mean=response, setting_up_mean=setting_up, mean_replicas=replicas))


def _reach(load: Any, rarity: Any = NEGLIGIBLE) -> Any:
    """How far from its mean `load` a Poisson count is with a probability below e^-rarity (Bernstein's inequality)."""
    return rarity + np.sqrt(rarity * (rarity + 2 * load))


def _plain(value: Any) -> Any:
    """A float where no array was given."""
    return float(value) if np.ndim(value) == 0 else value

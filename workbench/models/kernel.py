"""The event loops, compiled: requests go through replicas that start, serve, idle and end.

Flat loops over arrays with unsigned indices; each equals its readable twin in the tests to the last bit. Here is the
keep-alive pool with one request a replica; fleet.py has the rest. What both write: `tally` [batch, column] counts
requests, cold starts and requests within the limit, and adds up waits; `bins` are histograms of waits, latencies and
times to the first token, whose bins go by the leading bits of a number. No array is replaced inside a loop: that would
cost more than everything else. So room is given, and NaN says that it did not suffice.
"""

from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np
from numba import njit

ONE, TWO, THREE, FOUR = (np.uintp(n) for n in range(1, 5))
SIGNIFICANT = 7
"""Bits of the mantissa that tell bins apart: 128 an octave, so a bin's middle is within 0.4% of what is in it."""
SHIFT = np.int64(52 - SIGNIFICANT)
LEAST_EXPONENT = -20
OCTAVES = 52
BINS = OCTAVES << SIGNIFICANT
FIRST_BIN = np.int64((1023 + LEAST_EXPONENT) << SIGNIFICANT)
LAST_BIN = np.int64(BINS - 1)
REQUESTS, COLD, WITHIN, WAITED = range(4)
COLUMNS = 4
WAIT, LATENCY, FIRST = range(3)
NIL = np.uintp(2**64 - 1)
INF = np.inf
FARTHEST = 2.0**62
"""The last slot of a timing wheel, for all that is later."""
DIGITS = 12
SQUARED = 6
SCALE = 2.0**SQUARED
TERMS = tuple(1 / n for n in range(8, 0, -1))
"""Of the series of exp, each over the one before it, the last first."""


def bin_middles() -> np.ndarray:
    """The middle of every bin, in seconds; the first holds all that is shorter than a microsecond."""
    edges = (np.arange(BINS + 1, dtype=np.int64) + FIRST_BIN) << SHIFT
    low, high = edges[:-1].view(np.float64), edges[1:].view(np.float64)
    return np.asarray((low + high) / 2)


_jit: Any = partial(njit, nogil=True, error_model="numpy", _nrt=False)
"""Threads run side by side; no division is checked; and no references are counted, which would cost several times the
work itself: so no array can be made inside, and the memory of a loop is given to it."""


def compiled(function: Any) -> Any:
    """A loop as machine code, kept on disk between runs."""
    return _jit(cache=True)(_named(function))


def part(function: Any) -> Any:
    """A function that loops call: it becomes part of their code, and is not kept by itself."""
    return _jit(no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)(_named(function))


def _named(function: Any) -> Any:
    """The function, by a name that tells its code and what it uses.

    The file that keeps a loop goes by that name: numba alone would go by the day of the loop's own file, and run old
    code where only a function or a constant of another file has changed.
    """
    code = function.__code__
    used = (function.__globals__.get(name) for name in code.co_names)
    parts = [
        u.__qualname__ if hasattr(u, "py_func") else repr(u) for u in used if hasattr(u, "py_func") or np.isscalar(u)
    ]
    digest = sha256(code.co_code + repr((code.co_consts, parts)).encode()).hexdigest()
    function.__qualname__ = f"{function.__name__}-{digest[:DIGITS]}"
    return function


@part
def larger(a: Any, b: Any) -> Any:
    """np.maximum of two numbers, none of them NaN."""
    return a if a > b else b


@part
def smaller(a: Any, b: Any) -> Any:
    """np.minimum of two numbers, none of them NaN."""
    return a if a < b else b


@part
def insert(due: Any, end: Any, value: Any) -> None:
    """Put a value into a sorted list that ends before `due[end]` and is led by at least four that are no larger.

    What lies among the last four is moved without a branch, as a guess that misses costs more than the moves.
    """
    a, b, c, d = due[end - ONE], due[end - TWO], due[end - THREE], due[end - FOUR]
    due[end] = larger(value, a)
    value_b = smaller(value, a)
    due[end - ONE] = larger(value_b, b)
    value_c = smaller(value_b, b)
    due[end - TWO] = larger(value_c, c)
    due[end - THREE] = larger(smaller(value_c, c), d)
    if d > value:
        k = end - FOUR
        while due[k - ONE] > value:
            due[k] = due[k - ONE]
            k -= ONE
        due[k] = value


@part
def slot(seconds: Any) -> Any:
    """The bin of a duration: the leading bits of its floating-point form."""
    return min(max((np.float64(seconds).view(np.int64) >> SHIFT) - FIRST_BIN, 0), LAST_BIN)


def memory(room: int, slots: int) -> tuple[np.ndarray, ...]:
    """What a pool with nobody in it is given: `wheel`, `far`, `after`, `due` and `idle`. Both are powers of two."""
    due = np.empty(int(FOUR) * (room + 2))  # a list may run on behind its end three times before it is moved back
    return np.full(slots, NIL), np.empty(room), np.empty(room, np.uintp), due, np.empty(2 * room)


@part
def slot_of(seconds: Any, per_second: Any) -> Any:
    """The number of the slot of the wheel that a time since the first arrival falls into."""
    return np.uintp(np.int64(smaller(seconds * per_second, FARTHEST)))  # by a signed number: one instruction


@compiled
def pool(arrivals: Any, service: Any, setups: Any, idle_s: Any, most: Any, oldest: Any, measured: Any, edges: Any,
         limit_s: Any, per_second: Any, wheel: Any, far: Any, after: Any, due: Any, idle: Any, tally: Any, bins: Any,
         waits_s: Any, cold: Any, latencies: Any) -> Any:  # fmt: skip
    """Replica-seconds of a keep-alive pool, from the first measured arrival to the last arrival.

    `most` replicas at most (FIFO beyond); `oldest` 1 takes the replica that has been idle longest; set-up times are
    taken from `setups` (a power of two of them) in turn; `measured` is the first request that counts; `edges` are the
    requests at which batches end. `waits_s`, `cold` and `latencies` are filled where they are as long as the arrivals.

    When busy replicas become free lies in a lazy queue (Rönngren, Riboe and Ayani 1991): `due`, sorted, for the slot of
    time at hand, and for later slots (`per_second` of them) unsorted lists in `wheel`, whose nodes are `far` (when) and
    `after` (the next of the list). With no slots per second all is in `due`. `idle` is a ring: since when replicas are
    idle. An arrival is handled whole, with what became free before it: a request that waits takes what comes free next,
    so nothing need be done between arrivals.
    """
    n = np.uintp(arrivals.size)
    keep = waits_s.size == arrivals.size
    begin, end, origin = arrivals[measured], arrivals[n - ONE], arrivals[0]
    mask, turn, ring = np.uintp(setups.size - 1), np.uintp(wheel.size - 1), np.uintp(idle.size - 1)
    room = np.uintp(far.size)
    full = np.uintp(due.size) - TWO * FOUR
    cursor, spare, nodes = np.uintp(0), NIL, np.uintp(0)
    first, last = FOUR, FOUR
    for k in range(FOUR):
        due[k], due[FOUR + k] = -INF, INF
    low, high, alive, started = np.uintp(0), np.uintp(0), np.uintp(0), np.uintp(0)
    edge = np.uintp(0)
    billed = 0.0
    for batch in range(edges.size):
        colds, within, waited = np.uintp(0), np.uintp(0), 0.0
        for i in range(edge, edges[batch]):
            arrival, waits = arrivals[i], False
            now = slot_of(arrival - origin, per_second)
            while True:
                while True:  # what became free by now is idle; four at a time, without a branch
                    a, b, c, d = due[first], due[first + ONE], due[first + TWO], due[first + THREE]
                    idle[high & ring], idle[(high + ONE) & ring] = a, b
                    idle[(high + TWO) & ring], idle[(high + THREE) & ring] = c, d
                    free = np.uintp(a <= arrival) + np.uintp(b <= arrival)
                    free += np.uintp(c <= arrival) + np.uintp(d <= arrival)
                    high += free
                    first += free
                    if free < FOUR:
                        break
                if cursor >= now:
                    if not waits:
                        while low < high and idle[low & ring] + idle_s < arrival:
                            billed -= end - max(idle[low & ring] + idle_s, begin)
                            low += ONE
                            alive -= ONE
                        waits = low == high and alive == most
                    if not waits or due[first] < INF:
                        break
                cursor += ONE  # all of this slot is over: sort the next one
                first, last = FOUR, FOUR
                for k in range(FOUR):
                    due[FOUR + k] = INF
                node = wheel[cursor & turn]
                wheel[cursor & turn] = NIL
                while node != NIL:
                    rest = after[node]
                    if slot_of(far[node] - origin, per_second) <= cursor:
                        due[last + FOUR] = INF
                        insert(due, last, far[node])
                        last += ONE
                        after[node] = spare
                        spare = node
                    else:
                        after[node] = wheel[cursor & turn]
                        wheel[cursor & turn] = node
                    node = rest
            was_cold = False
            if waits:
                start = due[first]
                first += ONE
            elif low < high:
                start = arrival
                if oldest:
                    low += ONE
                else:
                    high -= ONE
            elif alive == room:
                return np.nan
            else:
                start, was_cold = arrival + setups[started & mask], True
                billed += end - max(arrival, begin)
                alive += ONE
                started += ONE
            finish = start + service[i]
            place = slot_of(finish - origin, per_second)
            if place > cursor:
                node = spare
                if node == NIL:
                    node = nodes
                    nodes += ONE
                else:
                    spare = after[node]
                far[node] = finish
                after[node] = wheel[place & turn]
                wheel[place & turn] = node
            else:
                if last == full:
                    for k in range(first, last):
                        due[FOUR + k - first] = due[k]
                    first, last = FOUR, FOUR + last - first
                    for k in range(FOUR):
                        due[last + k] = INF
                due[last + FOUR] = INF
                insert(due, last, finish)
                last += ONE
            wait, latency = start - arrival, finish - arrival
            if i >= measured:
                colds += np.uintp(was_cold)
                within += np.uintp(latency <= limit_s)
                waited += wait
                bins[WAIT, slot(wait)] += 1
                bins[LATENCY, slot(latency)] += 1
            if keep:
                waits_s[i], cold[i], latencies[i] = wait, was_cold, latency
        tally[batch, REQUESTS] = edges[batch] - min(max(edge, measured), edges[batch])
        tally[batch, COLD], tally[batch, WITHIN], tally[batch, WAITED] = colds, within, waited
        edge = edges[batch]
    return billed


@part
def exponential(x: Any) -> Any:
    """exp(x) to 1e-14 where |x| < 3 and to 2e-11 below 10, several at once as no library does: its series at x / 64,
    squared six times."""
    y, power = x / SCALE, 1.0
    for term in TERMS:
        power = 1 + y * term * power
    for _ in range(SQUARED):
        power *= power
    return power

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

ONE, TWO = np.uintp(1), np.uintp(2)
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
def heap_pop(heap: Any, size: Any) -> None:
    """Take the root out of a binary heap that had `size` + 1 elements: the last one sinks from there."""
    last = heap[size]
    k, child = np.uintp(0), ONE
    while child < size:
        if child + ONE < size and heap[child + ONE] < heap[child]:
            child += ONE
        if heap[child] >= last:
            break
        heap[k] = heap[child]
        k = child
        child = TWO * k + ONE
    heap[k] = last


@part
def heap_push(heap: Any, size: Any, value: Any) -> None:
    """Let a new element rise in a binary heap that has `size` elements."""
    k = size
    while k > 0:
        parent = (k - ONE) >> ONE
        if heap[parent] <= value:
            break
        heap[k] = heap[parent]
        k = parent
    heap[k] = value


@part
def slot(seconds: Any) -> Any:
    """The bin of a duration: the leading bits of its floating-point form."""
    return min(max((np.float64(seconds).view(np.int64) >> SHIFT) - FIRST_BIN, 0), LAST_BIN)


@compiled
def pool(arrivals: Any, service: Any, setups: Any, idle_s: Any, most: Any, oldest: Any, measured: Any, edges: Any,
         limit_s: Any, busy: Any, after: Any, wheel: Any, idle: Any, tally: Any, bins: Any, waits: Any,
         cold: Any, latencies: Any) -> Any:  # fmt: skip
    """Replica-seconds of a keep-alive pool, from the first measured arrival to the last arrival.

    `most` replicas at most (FIFO beyond); `oldest` 1 takes the replica that has been idle longest; set-up times are
    taken from `setups` (a power of two of them) in turn; `measured` is the first request that counts; `edges` are the
    first requests of each batch after the first. `busy` (when busy replicas become free), `after` (the node after each
    in its list) and `idle` (a ring: since when replicas are idle) are room for as many, a power of two. Replicas become
    free by a binary heap, or where `wheel` has slots (a power of two, all NIL) by a timing wheel of sorted lists, each
    as long as the mean gap between arrivals. `waits`, `cold` and `latencies` are filled where they are as long as the
    arrivals.
    """
    n = np.uintp(arrivals.size)
    keep = waits.size == arrivals.size
    begin, end = arrivals[measured], arrivals[n - ONE]
    mask = np.uintp(setups.size - 1)
    room, slots, size = np.uintp(busy.size), np.uintp(wheel.size), np.uintp(0)
    turn = slots - ONE
    spare, cursor = NIL, np.uintp(0)
    origin = arrivals[0]
    per_second = n / (end - origin) if slots > 0 else 0.0
    ring = room - ONE
    low, high = np.uintp(0), np.uintp(0)
    alive, started, head, i, batch = np.uintp(0), np.uintp(0), np.uintp(0), np.uintp(0), np.uintp(0)
    edge = np.uintp(edges[0])
    nodes = np.uintp(0)
    billed = 0.0
    while head < n:
        arrival = arrivals[i] if i < n else INF
        free, node = INF, NIL  # when the next replica becomes free
        if size > 0 and slots == 0:
            free = busy[0]
        elif size > 0:
            last = np.uintp((arrival - origin) * per_second) if i < n else NIL
            while cursor <= last:
                node = wheel[cursor & turn]
                if node != NIL and np.uintp((busy[node] - origin) * per_second) <= cursor:
                    free = busy[node]
                    break
                cursor += ONE
            cursor = min(cursor, last)
        if free <= arrival:
            size -= ONE
            if slots == 0:
                heap_pop(busy, size)
            else:
                wheel[cursor & turn] = after[node]
                after[node] = spare
                spare = node
            if head == i:
                if high - low == room:
                    return np.nan
                idle[high & ring] = free
                high += ONE
                continue
            start, wait, was_cold = free, free - arrivals[head], False
        else:
            i += ONE
            while low < high and idle[low & ring] + idle_s < arrival:
                billed -= end - max(idle[low & ring] + idle_s, begin)
                low += ONE
                alive -= ONE
            if low < high:
                start, wait, was_cold = arrival, 0.0, False
                if oldest:
                    low += ONE
                else:
                    high -= ONE
            elif alive < most:
                start, was_cold = arrival + setups[started & mask], True
                wait = start - arrival
                billed += end - max(arrival, begin)
                alive += ONE
                started += ONE
            else:
                continue
        # Request `head` starts to be served.
        finish = start + service[head]
        if size == room:
            return np.nan
        if slots == 0:
            heap_push(busy, size, finish)
        else:
            if size == 0:
                cursor = np.uintp((arrivals[head] - origin) * per_second)
            node = spare
            if node == NIL:
                node = nodes
                nodes += ONE
            else:
                spare = after[node]
            busy[node] = finish
            place = np.uintp((finish - origin) * per_second) & turn
            later = wheel[place]
            if later == NIL or busy[later] >= finish:
                after[node] = later
                wheel[place] = node
            else:
                while after[later] != NIL and busy[after[later]] < finish:
                    later = after[later]
                after[node] = after[later]
                after[later] = node
        size += ONE
        while head >= edge:
            batch += ONE
            edge = edges[batch]
        if head >= measured:
            latency = finish - arrivals[head]
            tally[batch, REQUESTS] += 1
            tally[batch, COLD] += was_cold
            tally[batch, WITHIN] += latency <= limit_s
            tally[batch, WAITED] += wait
            bins[WAIT, slot(wait)] += 1
            bins[LATENCY, slot(latency)] += 1
        if keep:
            waits[head], cold[head], latencies[head] = wait, was_cold, finish - arrivals[head]
        head += ONE
    return billed


@part
def larger(a: Any, b: Any) -> Any:
    """np.maximum of two numbers, none of them NaN."""
    return a if a > b else b


@part
def smaller(a: Any, b: Any) -> Any:
    """np.minimum of two numbers, none of them NaN."""
    return a if a < b else b


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

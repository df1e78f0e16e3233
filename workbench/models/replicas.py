"""What a fleet consists of, compiled: replicas, the requests that they hold, and a tournament of their next events.

All requests of a replica progress together, at a pace that depends on how many there are (processor sharing): its
virtual time runs at 1 / (pace + slope x load), so the next to finish is the top of a heap and no request is touched
twice. A prompt is read while the others of its replica stand still.
"""

from typing import Any, NamedTuple

import numpy as np

from workbench.models.kernel import INF, NIL, ONE, TWO, part
from workbench.models.policies import ROUTINGS

OLDEST, LEAST_LOADED = ROUTINGS["oldest"], ROUTINGS["least_loaded"]
GONE, STARTING, READY, DRAINING = np.arange(4, dtype=np.uintp)
ALIVE, FREE, LEAVES, FULLEST, EMPTIEST = range(5)
COUNTS = 5
TIMES = ("virtual", "since", "ready_at", "dies")
NUMBERS = ("phase", "load", "after", "before")
REPLICA = np.dtype([(name, np.float64) for name in TIMES] + [(name, np.uintp) for name in NUMBERS])
"""A replica's virtual time and the time for which it holds (ahead of now while a prompt is read), when it became ready
and when it fails, what it does, how many requests it holds, and its neighbours in the list of those with as many."""
REQUEST = np.dtype([("goal", np.float64), ("start", np.float64), ("ticket", np.uintp)])
"""The virtual time of a request's end, when it began, its number (twice, and one more if it met a cold start)."""


class Fleet(NamedTuple):
    """The replicas by number, and their requests by (replica, place in its heap)."""

    slots: Any
    """Requests that a replica can hold."""
    shelf: Any
    """Where in `at` the heads of the lists by load stand, behind the replicas; the last is of those that start."""
    count: Any
    """Replicas there, numbers free, leaves of the tournament, and the highest and lowest load under which one with
    room may be listed."""
    due: Any
    """The tournament: when each replica has its next event, from place `leaves` on, and above every two the earlier."""
    at: Any
    held: Any
    free: Any
    returned: Any
    """A stack of requests whose replica failed, the first to come on top."""


def made(room: int, slots: int) -> Fleet:
    """A fleet with nobody in it; `room` for replicas is a power of two."""
    at, count = np.zeros(room + slots + 2, REPLICA), np.zeros(COUNTS, np.uintp)
    at["after"] = at["before"] = np.arange(at.size)
    count[[FREE, LEAVES, EMPTIEST]] = room, 1, slots
    held, returned = np.empty(room * slots, REQUEST), np.empty(room * slots, np.uintp)
    free = np.arange(room, dtype=np.uintp)[::-1].copy()
    return Fleet(np.uintp(slots), np.uintp(room), count, np.full(2 * room, INF), at, held, free, returned)


@part
def link(f: Any, node: Any, head: Any) -> None:
    """Put a node first in the circular list of a head."""
    first = f.at[head].after
    f.at[node].after, f.at[node].before = first, head
    f.at[first].before = f.at[head].after = node


@part
def unlink(f: Any, node: Any) -> None:
    """Take a node out of its list."""
    after, before = f.at[node].after, f.at[node].before
    f.at[before].after, f.at[after].before = after, before


@part
def settle(f: Any, r: Any, due: Any) -> None:
    """Set when replica `r` has its next event, and who wins against it, as far up as that changes."""
    k = f.count[LEAVES] + r
    f.due[k] = due
    while k > ONE:
        due = min(due, f.due[k ^ ONE])
        k >>= ONE
        if f.due[k] == due:
            break
        f.due[k] = due


@part
def soonest(f: Any) -> Any:
    """The replica with the earliest next event, among equals the lowest number."""
    k, leaves, due = ONE, f.count[LEAVES], f.due[1]
    while k < leaves:
        k = TWO * k + np.uintp(f.due[TWO * k] != due)
    return k - leaves


@part
def widen(f: Any) -> None:
    """Twice as many leaves for the tournament."""
    leaves = f.count[LEAVES]
    for k in range(leaves):
        f.due[TWO * leaves + k] = f.due[leaves + k]
    k = TWO * leaves
    while k > ONE:
        k -= ONE
        f.due[k] = min(f.due[TWO * k], f.due[TWO * k + ONE])
    f.count[LEAVES] = TWO * leaves


@part
def shelve(f: Any, r: Any) -> None:
    """List a replica that can take requests under its load, the newest first."""
    load = f.at[r].load
    link(f, r, f.shelf + load)
    if load < f.slots:
        f.count[FULLEST] = max(f.count[FULLEST], load)
        f.count[EMPTIEST] = min(f.count[EMPTIEST], load)


@part
def opened(f: Any, phase: Any, ready_at: Any, life: Any) -> Any:
    """A new replica; when its next event is has to be settled."""
    f.count[FREE] -= ONE
    f.count[ALIVE] += ONE
    r = f.free[f.count[FREE]]
    while r >= f.count[LEAVES]:
        widen(f)
    me = f.at[r]
    me.phase, me.load, me.virtual = phase, 0, 0.0
    me.ready_at = me.since = ready_at
    me.dies = ready_at + life
    return r


@part
def close(f: Any, r: Any) -> None:
    """Take a replica away."""
    settle(f, r, INF)
    f.at[r].phase = GONE
    f.free[f.count[FREE]] = r
    f.count[FREE] += ONE
    f.count[ALIVE] -= ONE


@part
def give_back(f: Any, r: Any, back: Any) -> Any:
    """Put the requests of a replica that fails on the stack of `back`; how many are on it now."""
    for k in range(f.at[r].load):
        q, m = f.held[r * f.slots + k].ticket >> ONE, back
        while m > 0 and f.returned[m - ONE] < q:
            f.returned[m] = f.returned[m - ONE]
            m -= ONE
        f.returned[m] = q
        back += ONE
    return back


@part
def emptiest(f: Any) -> Any:
    """The ready replica with the least load, among equals the newest."""
    head = f.shelf
    while f.at[head].after == head:
        head += ONE
    return f.at[head].after


@part
def with_room(f: Any, routing: Any) -> Any:
    """The replica that takes the next request, NIL where none has room."""
    if routing == LEAST_LOADED:
        load = f.count[EMPTIEST]
        while load < f.slots and f.at[f.shelf + load].after == f.shelf + load:
            load += ONE
        f.count[EMPTIEST] = load
        return f.at[f.shelf + load].after if load < f.slots else NIL
    load = f.count[FULLEST]
    while load > 0 and f.at[f.shelf + load].after == f.shelf + load:
        load -= ONE
    f.count[FULLEST] = load
    r = f.at[f.shelf + load].before if routing == OLDEST else f.at[f.shelf + load].after
    return r if r < f.shelf else NIL


@part
def move(f: Any, source: Any, target: Any) -> None:
    """Copy a request from one place of a heap to another."""
    one, other = f.held[source], f.held[target]
    other.goal, other.start, other.ticket = one.goal, one.start, one.ticket


@part
def depart(f: Any, base: Any, load: Any) -> None:
    """Take the top out of a replica's heap; `load` is what remains, and the last of them sinks from the top."""
    last, k, child = base + load, np.uintp(0), ONE
    goal = f.held[last].goal
    while child < load:
        if child + ONE < load:
            child += np.uintp(f.held[base + child + ONE].goal < f.held[base + child].goal)
        if f.held[base + child].goal >= goal:
            break
        move(f, base + child, base + k)
        k = child
        child = TWO * k + ONE
    move(f, last, base + k)


@part
def admit(f: Any, r: Any, ticket: Any, now: Any, work: Any, prompt: Any, step: Any) -> None:
    """Let a request begin on replica `r`: its prompt is read first, then it shares the replica's pace."""
    me, base = f.at[r], r * f.slots
    k = load = me.load
    if now > me.since:
        if load > 0:
            me.virtual += (now - me.since) / (step[0] + step[1] * load)
        me.since = now
    goal = me.virtual + work
    while k > 0:
        parent = (k - ONE) >> ONE
        if f.held[base + parent].goal <= goal:
            break
        move(f, base + parent, base + k)
        k = parent
    one = f.held[base + k]
    one.goal, one.start, one.ticket = goal, me.since, ticket
    me.since += prompt
    me.load = load + ONE


@part
def next_end(f: Any, r: Any, step: Any) -> Any:
    """When the next request of a replica that has some will finish, or when the replica fails before."""
    me = f.at[r]
    left = f.held[r * f.slots].goal - me.virtual
    return min(me.since + left * (step[0] + step[1] * me.load), me.dies)

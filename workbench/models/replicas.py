"""What a fleet consists of, compiled: replicas, the requests that they hold, and an indexed heap of their next events.

All requests of a replica progress together, at a pace that depends on how many there are (processor sharing): its
virtual time runs at 1 / (pace + slope x load), so the next to finish is the top of a heap and no request is touched
twice. A prompt is read while the others of its replica stand still.
"""

from typing import Any, NamedTuple

import numpy as np

from workbench.models.kernel import INF, NIL, ONE, TWO, compiled
from workbench.models.policies import ROUTINGS

OLDEST, LEAST_LOADED = ROUTINGS["oldest"], ROUTINGS["least_loaded"]
GONE, STARTING, READY, DRAINING = range(4)
ALIVE, FREE, FULLEST, EMPTIEST = range(4)
COUNTS = 4


class Fleet(NamedTuple):
    """The replicas, by number; requests by (replica, place in its heap)."""

    count: Any
    """Replicas there, numbers free, and the highest and lowest load under which one with room may be listed."""
    shelf: Any
    """Where the lists by load begin in `after` and `before`, behind the replicas; the last is of those that start."""
    shelf_full: Any
    """The highest load at which a replica has room for one more."""
    due: Any
    order: Any
    place: Any
    """When each has its next event; the heap of replicas by it; and where each stands in the heap."""
    phase: Any
    load: Any
    virtual: Any
    since: Any
    """A replica's virtual time, and the time for which it holds: ahead of now while a prompt is read."""
    ready_at: Any
    dies: Any
    goal: Any
    ticket: Any
    start: Any
    first: Any
    """Of each request: the virtual time of its end, its number (twice, and one more if it met a cold start), when it
    began, when its prompt was read."""
    after: Any
    before: Any
    free: Any


@compiled
def made(room: Any, slots: Any) -> Any:
    """A fleet with nobody in it."""
    places, lists = room * slots, room + slots + TWO
    after, before = np.empty(lists, np.uintp), np.empty(lists, np.uintp)
    free = np.empty(room, np.uintp)
    for k in range(lists):
        after[k] = before[k] = k
    for k in range(room):
        free[k] = room - ONE - np.uintp(k)
    count = np.zeros(COUNTS, np.uintp)
    count[FREE], count[EMPTIEST] = room, slots
    return Fleet(
        count, room, slots - ONE, np.full(room, INF), np.empty(room, np.uintp), np.empty(room, np.uintp),
        np.zeros(room, np.uint8), np.zeros(room, np.uintp), np.zeros(room), np.zeros(room), np.zeros(room),
        np.zeros(room), np.empty(places), np.empty(places, np.uintp), np.empty(places), np.empty(places), after,
        before, free,
    )  # fmt: skip


@compiled
def link(f: Any, node: Any, sentinel: Any) -> None:
    """Put a node first in the circular list of a sentinel."""
    first = f.after[sentinel]
    f.after[node], f.before[node] = first, sentinel
    f.before[first], f.after[sentinel] = node, node


@compiled
def unlink(f: Any, node: Any) -> None:
    """Take a node out of its list."""
    f.after[f.before[node]] = f.after[node]
    f.before[f.after[node]] = f.before[node]


@compiled
def settle(f: Any, r: Any) -> None:
    """Restore the indexed heap after the due time of replica `r` has changed."""
    k, mine, size = f.place[r], f.due[r], f.count[ALIVE]
    while k > 0:
        parent = (k - ONE) >> ONE
        other = f.order[parent]
        if f.due[other] < mine or (f.due[other] == mine and other < r):
            break
        f.order[k] = other
        f.place[other] = k
        k = parent
    child = TWO * k + ONE
    while child < size:
        other = f.order[child]
        if child + ONE < size:
            second = f.order[child + ONE]
            if f.due[second] < f.due[other] or (f.due[second] == f.due[other] and second < other):
                child, other = child + ONE, second
        if mine < f.due[other] or (mine == f.due[other] and r < other):
            break
        f.order[k] = other
        f.place[other] = k
        k = child
        child = TWO * k + ONE
    f.order[k] = r
    f.place[r] = k


@compiled
def shelve(f: Any, r: Any) -> None:
    """List a replica that can take requests under its load, the newest first."""
    load = f.load[r]
    link(f, r, f.shelf + load)
    f.count[FULLEST] = max(f.count[FULLEST], min(load, f.shelf_full))
    f.count[EMPTIEST] = min(f.count[EMPTIEST], load)


@compiled
def opened(f: Any, phase: Any, now: Any, setup: Any, life: Any) -> Any:
    """A new replica, due when its set-up ends."""
    f.count[FREE] -= ONE
    r = f.free[f.count[FREE]]
    f.phase[r], f.load[r], f.virtual[r] = phase, 0, 0.0
    f.ready_at[r] = f.since[r] = now + setup
    f.dies[r] = f.ready_at[r] + life
    f.due[r] = f.ready_at[r]
    f.place[r] = f.count[ALIVE]
    f.count[ALIVE] += ONE
    settle(f, r)
    return r


@compiled
def close(f: Any, r: Any) -> None:
    """Take a replica away."""
    f.count[ALIVE] -= ONE
    last = f.order[f.count[ALIVE]]
    if last != r:
        f.order[f.place[r]] = last
        f.place[last] = f.place[r]
        settle(f, last)
    f.phase[r] = GONE
    f.free[f.count[FREE]] = r
    f.count[FREE] += ONE


@compiled
def emptiest(f: Any) -> Any:
    """The ready replica with the least load, among equals the newest."""
    load = np.uintp(0)
    while f.after[f.shelf + load] == f.shelf + load:
        load += ONE
    return f.after[f.shelf + load]


@compiled
def with_room(f: Any, routing: Any) -> Any:
    """The replica that takes the next request, NIL where none has room."""
    if routing == LEAST_LOADED:
        load = f.count[EMPTIEST]
        while load <= f.shelf_full and f.after[f.shelf + load] == f.shelf + load:
            load += ONE
        f.count[EMPTIEST] = load
        return f.after[f.shelf + load] if load <= f.shelf_full else NIL
    load = f.count[FULLEST]
    while load > 0 and f.after[f.shelf + load] == f.shelf + load:
        load -= ONE
    f.count[FULLEST] = load
    r = f.before[f.shelf + load] if routing == OLDEST else f.after[f.shelf + load]
    return r if r < f.shelf else NIL


@compiled
def enter(f: Any, base: Any, load: Any, goal: Any, ticket: Any, start: Any, first: Any) -> None:
    """Add a request to a replica's heap, which holds `load` and starts at `base`, by its goal in virtual time."""
    k = load
    while k > 0:
        parent = (k - ONE) >> ONE
        if f.goal[base + parent] <= goal:
            break
        move(f, base + parent, base + k)
        k = parent
    f.goal[base + k], f.ticket[base + k], f.start[base + k], f.first[base + k] = goal, ticket, start, first


@compiled
def move(f: Any, source: Any, target: Any) -> None:
    """Copy a request from one place of a heap to another."""
    f.goal[target], f.ticket[target] = f.goal[source], f.ticket[source]
    f.start[target], f.first[target] = f.start[source], f.first[source]


@compiled
def depart(f: Any, base: Any, load: Any) -> None:
    """Take the top out of a replica's heap; `load` is what remains, and the last of them sinks from the top."""
    last, k, child = base + load, np.uintp(0), ONE
    while child < load:
        if child + ONE < load and f.goal[base + child + ONE] < f.goal[base + child]:
            child += ONE
        if f.goal[base + child] >= f.goal[last]:
            break
        move(f, base + child, base + k)
        k = child
        child = TWO * k + ONE
    move(f, last, base + k)


@compiled
def admit(f: Any, r: Any, ticket: Any, now: Any, work: Any, prompt: Any, step: Any) -> None:
    """Let a request begin on replica `r`: its prompt is read first, then it shares the replica's pace."""
    load = f.load[r]
    if now > f.since[r]:
        if load > 0:
            f.virtual[r] += (now - f.since[r]) / (step[0] + step[1] * load)
        f.since[r] = now
    start = f.since[r]
    f.since[r] += prompt
    base = r * (f.shelf_full + ONE)
    enter(f, base, load, f.virtual[r] + work, ticket, start, f.since[r])
    unlink(f, r)
    f.load[r] = load + ONE
    shelve(f, r)
    come_due(f, r, step)


@compiled
def come_due(f: Any, r: Any, step: Any) -> None:
    """Set when the next request of a replica that has some will finish, or when the replica fails before."""
    base = r * (f.shelf_full + ONE)
    left = f.goal[base] - f.virtual[r]
    f.due[r] = min(f.since[r] + left * (step[0] + step[1] * f.load[r]), f.dies[r])
    settle(f, r)

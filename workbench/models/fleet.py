"""The event loop of an autoscaled fleet, compiled: requests wait in one queue, and a policy sizes the fleet.

Each replica has one next event (ready, finish, expiry or failure). One that is scaled down finishes what it has; one
that fails gives its requests back. Order at one moment: what replicas do, then the policy's tick, then arrivals, then
expiries; ties go to the lower replica.
"""

from typing import Any

import numpy as np

from workbench.models.control import (  # isort: skip
    LEAVES, NEXT, begin, decide, idle_until, learn, rest, skip, wanted, woken,
)  # fmt: skip
from workbench.models.kernel import (  # isort: skip
    COLD, FIRST, INF, LATENCY, NIL, ONE, REQUESTS, TWO, WAIT, WAITED, WITHIN, compiled, slot,
)  # fmt: skip
from workbench.models.policies import (  # isort: skip
    BIND, CONCURRENCY, DEMAND, FIXED, HYBRID, IDLE, INITIAL, KIND, KPA, LEAST, MOST, ROUTING, SURPLUS,
)  # fmt: skip
from workbench.models.replicas import (  # isort: skip
    STARTING, READY, DRAINING, ALIVE, FREE, admit, close, come_due, depart, emptiest, link, made, opened, settle,
    shelve, unlink, with_room,
)  # fmt: skip

PATIENCE = 1000
"""Failures a request after which a fleet is said never to serve."""


@compiled
def fleet(arrivals: Any, work: Any, prompt: Any, setups: Any, lives: Any, rule: Any, state: Any, ring: Any, step: Any,
          room: Any, measured: Any, limit_s: Any, tally: Any, bins: Any, waits: Any, cold: Any, latencies: Any,
          samples: Any) -> Any:  # fmt: skip
    """Replica-seconds of a fleet from the first measured arrival to the last.

    NaN where `room` replicas do not suffice, -1 where requests wait and nothing will serve them. `work` [request] in
    steps (seconds at a pace of 1), `prompt` [request] in seconds of reading; `setups` and `lives` (a power of two of
    each) are taken in turn by replicas that start; `rule`, `state`, `ring`: see control.py; `step`: pace and slope.
    Statistics as in `kernel.pool`; `samples` [time, column] has its first column given, and gets the requests in the
    system, the ready and the starting replicas at each.
    """
    n = np.uintp(arrivals.size)
    keep = waits.size == arrivals.size
    opening, end = arrivals[measured], arrivals[n - ONE]
    kind, slots = int(rule[KIND]), np.uintp(rule[CONCURRENCY])
    f = made(room, slots)
    back, returned = (
        np.uintp(0),
        np.empty(room * slots, np.uintp),
    )  # a stack of requests whose replica failed, the first to come on top
    setup_mask, life_mask = np.uintp(setups.size - 1), np.uintp(lives.size - 1)
    ready, starting, begun, deaths = 0, 0, np.uintp(0), 0
    bits = np.empty(1)
    word = bits.view(np.int64)
    head, i, done, sample = np.uintp(0), np.uintp(0), np.uintp(0), 0
    now, area, billed, present, per_request = arrivals[0], 0.0, 0.0, 0, tally.shape[0] / n
    begin(rule, state, now)
    desired, kept_until = rule[INITIAL], INF
    sampled = samples[0, 0] if samples.shape[0] > 0 else INF
    while ready < desired:
        r = opened(f, READY, now, 0.0, lives[begun & life_mask])
        begun += ONE
        f.ready_at[r] = -INF
        f.due[r] = min(INF if r < rule[LEAST] or kind != BIND else now + rule[IDLE], f.dies[r])
        settle(f, r)
        shelve(f, r)
        ready += 1
        billed += end - opening
    while done < n:
        if kind >= KPA and present == 0 and f.count[ALIVE] == 0 and i < n and state[NEXT] <= arrivals[i]:
            skip(rule, state, ring, arrivals[i], area)
        arrival = arrivals[i] if i < n else INF
        r = f.order[0] if f.count[ALIVE] > 0 else NIL
        due = f.due[r] if r != NIL else INF
        others = min(state[NEXT], arrival)
        expires = r != NIL and f.phase[r] == READY and f.load[r] == 0 and f.dies[r] > due
        by_replica = due < others or (due == others and not expires)
        then = due if by_replica else others
        if then == INF:
            return -1.0
        while sampled < then and sampled <= end:
            samples[sample, 1:] = present, ready, starting
            sample += 1
            sampled = samples[sample, 0] if sample < samples.shape[0] else INF
        area += present * (then - now)
        now = then
        if by_replica:
            if f.dies[r] <= now:
                deaths += 1
                if deaths > PATIENCE * n:
                    return -1.0
                for k in range(f.load[r]):
                    q, m = f.ticket[r * slots + np.uintp(k)] >> ONE, back
                    while m > 0 and returned[m - ONE] < q:
                        returned[m] = returned[m - ONE]
                        m -= ONE
                    returned[m] = q
                    back += ONE
                if f.phase[r] != DRAINING:
                    unlink(f, r)
                    ready -= f.phase[r] == READY
                    starting -= f.phase[r] == STARTING
                close(f, r)
                billed -= max(end - max(now, opening), 0.0)
                r = NIL
            elif f.phase[r] == STARTING:
                unlink(f, r)
                f.phase[r] = READY
                shelve(f, r)
                starting -= 1
                ready += 1
            elif f.load[r] > 0:
                base = r * slots
                q, was_cold = f.ticket[base] >> ONE, f.ticket[base] & ONE
                wait, latency = f.start[base] - arrivals[q], now - arrivals[q]
                if q >= measured:
                    batch = np.uintp(q * per_request)
                    tally[batch, REQUESTS] += 1
                    tally[batch, COLD] += was_cold
                    tally[batch, WITHIN] += latency <= limit_s
                    tally[batch, WAITED] += wait
                    bins[WAIT, slot(wait, bits, word)] += 1
                    bins[LATENCY, slot(latency, bits, word)] += 1
                    bins[FIRST, slot(f.first[base] - arrivals[q], bits, word)] += 1
                if keep:
                    waits[q], cold[q], latencies[q] = wait, was_cold > 0, latency
                done += ONE
                present -= 1
                load = f.load[r] - ONE
                f.load[r] = load
                f.virtual[r] = f.goal[base] if load > 0 else 0.0
                f.since[r] = now
                depart(f, base, load)
                if load > 0:
                    come_due(f, r, step)
                if f.phase[r] == READY:
                    unlink(f, r)
                    shelve(f, r)
                elif load == 0:
                    close(f, r)
                    billed -= max(end - max(now, opening), 0.0)
                    r = NIL
            elif kind != DEMAND or ready + starting > wanted(rule, present):
                unlink(f, r)
                close(f, r)
                ready -= 1
                billed -= max(end - max(now, opening), 0.0)
                r = NIL
        elif state[NEXT] <= arrival:
            r = NIL
            if kind == HYBRID:
                state[NEXT] = INF
                desired = 1.0
            else:
                desired = decide(rule, state, ring, now, present, area, ready, float(ready + starting))
        else:
            r = NIL
            i += ONE
            present += 1
            if kind == HYBRID:
                learn(rule, state, ring, now)
            elif kind == KPA and ready + starting == 0:
                desired = woken(rule, state, now)
        # Requests that wait go to replicas with room, or to one that is started for them.
        while head < i or back > 0:
            taker, fresh = with_room(f, rule[ROUTING]), False
            if taker == NIL:
                if kind != BIND or f.count[ALIVE] >= rule[MOST]:
                    break
                if f.count[FREE] == 0:
                    return np.nan
                taker = opened(f, READY, now, setups[begun & setup_mask], lives[begun & life_mask])
                begun += ONE
                ready += 1
                billed += max(end - max(now, opening), 0.0)
                shelve(f, taker)
                fresh = True
            if back > 0:
                back -= ONE
                q = returned[back]
            else:
                q = head
                head += ONE
            met = fresh or f.ready_at[taker] > now if kind == BIND else f.ready_at[taker] >= arrivals[q]
            admit(f, taker, TWO * q + np.uintp(met), now, work[q], prompt[q], step)
        # The fleet is brought to the number wanted: some start, or the newest starts are cancelled and the emptiest go.
        if kind in (DEMAND, HYBRID):
            desired = max(wanted(rule, present), desired if kind == HYBRID and present == 0 else 0.0)
        while kind != BIND and ready + starting < desired:
            if f.count[FREE] == 0:
                return np.nan
            s = opened(f, STARTING, now, setups[begun & setup_mask], lives[begun & life_mask])
            begun += ONE
            starting += 1
            link(f, s, f.shelf + slots + ONE)
            billed += max(end - max(now, opening), 0.0)
        while ready + starting > desired and (kind == FIXED or kind >= KPA or (rule[SURPLUS] > 0 and starting > 0)):
            if starting > 0:
                s = f.after[f.shelf + slots + ONE]
                starting -= 1
            else:
                s = emptiest(f)
                ready -= 1
            unlink(f, s)
            if f.load[s] > 0:
                f.phase[s] = DRAINING
            else:
                close(f, s)
                billed -= max(end - max(now, opening), 0.0)
                r = NIL if s == r else r
        # A replica that has just become idle is kept for a while.
        if kind == HYBRID and present == 0 and by_replica:
            desired = 0.0
            kept_until = rest(rule, state, ring, now) if state[LEAVES] < 0 else kept_until
            s = f.after[f.shelf]
            newest = True
            while s < f.shelf:
                f.due[s] = min(max(kept_until, now) if newest and state[NEXT] == INF else now, f.dies[s])
                settle(f, s)
                newest = False
                s = f.after[s]
        elif by_replica and r != NIL and f.load[r] == 0 and f.phase[r] == READY:
            f.due[r] = min(idle_until(rule, now, r, ready + starting, present), f.dies[r])
            settle(f, r)
    return billed

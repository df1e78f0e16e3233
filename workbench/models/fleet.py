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
    BIND, DEMAND, FIXED, HYBRID, IDLE, INITIAL, KIND, KPA, LEAST, MOST, ROUTING, SURPLUS,
)  # fmt: skip
from workbench.models.replicas import (  # isort: skip
    STARTING, READY, DRAINING, ALIVE, FREE, admit, close, depart, emptiest, give_back, link, next_end, opened, settle,
    shelve, soonest, unlink, with_room,
)  # fmt: skip

PRESENT, AWAKE, WAKING = 1, 2, 3
PATIENCE = 1000
"""Failures a request after which a fleet is said never to serve."""


@compiled
def fleet(f: Any, arrivals: Any, work: Any, prompt: Any, setups: Any, lives: Any, rule: Any, state: Any, ring: Any,
          step: Any, measured: Any, limit_s: Any, tally: Any, bins: Any, waits: Any, cold: Any, latencies: Any,
          samples: Any) -> Any:  # fmt: skip
    """Replica-seconds of a fleet from the first measured arrival to the last.

    NaN where the fleet `f` as made has no room for enough replicas, -1 where requests wait and nothing will serve them.
    `work` [request] in steps (seconds at a pace of 1), `prompt` [request] in seconds of reading; `setups` and `lives`
    (a power of two of each) are taken in turn by replicas that start; `rule`, `state`, `ring`: see control.py; `step`:
    pace and slope. Statistics as in `kernel.pool`; `samples` [time, column] has its first column given, and gets the
    requests in the system, the ready and the starting replicas at each.
    """
    n = np.uintp(arrivals.size)
    keep = waits.size == arrivals.size
    opening, end = arrivals[measured], arrivals[n - ONE]
    kind, routing, most = int(rule[KIND]), rule[ROUTING], rule[MOST]
    setup_mask, life_mask = np.uintp(setups.size - 1), np.uintp(lives.size - 1)
    waking = f.shelf + f.slots + ONE
    ready, starting, begun, deaths, back = 0.0, 0.0, np.uintp(0), 0, np.uintp(0)
    head, i, done, sample = np.uintp(0), np.uintp(0), np.uintp(0), 0
    now, area, billed, present, per_request = arrivals[0], 0.0, 0.0, 0.0, tally.shape[0] / n
    begin(rule, state, now)
    desired, kept_until = rule[INITIAL], INF
    sampled = samples[0, 0] if samples.shape[0] > 0 else INF
    while ready < desired:
        if f.count[FREE] == 0:
            return np.nan
        r = opened(f, READY, now, lives[begun & life_mask])
        begun += ONE
        f.at[r].ready_at = -INF
        settle(f, r, min(INF if r < rule[LEAST] or kind != BIND else now + rule[IDLE], f.at[r].dies))
        shelve(f, r)
        ready += 1
        billed += end - opening
    while done < n:
        if kind >= KPA and present == 0 and f.count[ALIVE] == 0 and i < n and state[NEXT] <= arrivals[i]:
            skip(rule, state, ring, arrivals[i], area)
        arrival = arrivals[i] if i < n else INF
        due, others = f.due[1], min(state[NEXT], arrival)
        then, r = others, NIL
        if due <= others:
            r, then = soonest(f), due
            if due == others and f.at[r].phase == READY and f.at[r].load == 0 and f.at[r].dies > due:
                r = NIL  # an expiry is the last thing at its moment
        if then == INF:
            return -1.0
        while sampled < then and sampled <= end:
            samples[sample, PRESENT], samples[sample, AWAKE], samples[sample, WAKING] = present, ready, starting
            sample += 1
            sampled = samples[sample, 0] if sample < samples.shape[0] else INF
        area += present * (then - now)
        now = then
        left = end - max(now, opening) if now < end else 0.0  # what a replica that starts or ends now adds or saves
        by_replica = r != NIL
        if by_replica:
            me = f.at[r]
            if me.dies <= now:
                deaths += 1
                if deaths > PATIENCE * n:
                    return -1.0
                back = give_back(f, r, back)
                if me.phase != DRAINING:
                    unlink(f, r)
                    ready -= me.phase == READY
                    starting -= me.phase == STARTING
                close(f, r)
                billed -= left
                r = NIL
            elif me.phase == STARTING:
                unlink(f, r)
                me.phase = READY
                shelve(f, r)
                starting -= 1
                ready += 1
            elif me.load > 0:
                one = f.held[r * f.slots]
                q, was_cold = one.ticket >> ONE, one.ticket & ONE
                wait, latency = one.start - arrivals[q], now - arrivals[q]
                if q >= measured:
                    batch = np.uintp(q * per_request)
                    tally[batch, REQUESTS] += 1
                    tally[batch, COLD] += was_cold
                    tally[batch, WITHIN] += latency <= limit_s
                    tally[batch, WAITED] += wait
                    bins[WAIT, slot(wait)] += 1
                    bins[LATENCY, slot(latency)] += 1
                    bins[FIRST, slot(one.start + prompt[q] - arrivals[q])] += 1
                if keep:
                    waits[q], cold[q], latencies[q] = wait, was_cold > 0, latency
                done += ONE
                present -= 1
                me.load -= ONE
                me.virtual = one.goal if me.load > 0 else 0.0
                me.since = now
                if me.load > 0:
                    depart(f, r * f.slots, me.load)
                if me.phase == READY:
                    unlink(f, r)
                    shelve(f, r)
                elif me.load == 0:
                    close(f, r)
                    billed -= left
                    r = NIL
            elif kind != DEMAND or ready + starting > wanted(rule, present):
                unlink(f, r)
                close(f, r)
                ready -= 1
                billed -= left
                r = NIL
        elif state[NEXT] <= arrival:
            if kind == HYBRID:
                state[NEXT] = INF
                desired = 1.0
            else:
                desired = decide(kind, rule, state, ring, now, present, area, ready, ready + starting)
                if desired == ready + starting and head == i and back == 0:
                    continue
        else:
            i += ONE
            present += 1
            if kind == HYBRID:
                learn(rule, state, ring, now)
            elif kind == KPA and ready + starting == 0:
                desired = woken(rule, state, now)
        # Requests that wait go to replicas with room, or to one that is started for them.
        while head < i or back > 0:
            taker = with_room(f, routing)
            fresh = taker == NIL
            if fresh:
                if kind != BIND or f.count[ALIVE] >= most:
                    break
                if f.count[FREE] == 0:
                    return np.nan
                taker = opened(f, READY, now + setups[begun & setup_mask], lives[begun & life_mask])
                begun += ONE
                ready += 1
                billed += left
            else:
                unlink(f, taker)
            if back > 0:
                back -= ONE
                q = f.returned[back]
            else:
                q = head
                head += ONE
            ready_at = f.at[taker].ready_at
            met = fresh or ready_at > now if kind == BIND else ready_at >= arrivals[q]
            admit(f, taker, TWO * q + np.uintp(met), now, work[q], prompt[q], step)
            shelve(f, taker)
            if taker != r:
                settle(f, taker, next_end(f, taker, step))
        # The fleet is brought to the number wanted: some start, or the newest starts are cancelled and the emptiest go.
        if kind in (DEMAND, HYBRID):
            desired = max(wanted(rule, present), desired if kind == HYBRID and present == 0 else 0.0)
        while kind != BIND and ready + starting < desired:
            if f.count[FREE] == 0:
                return np.nan
            s = opened(f, STARTING, now + setups[begun & setup_mask], lives[begun & life_mask])
            begun += ONE
            starting += 1
            link(f, s, waking)
            settle(f, s, f.at[s].ready_at)
            billed += left
        while ready + starting > desired and (kind == FIXED or kind >= KPA or (rule[SURPLUS] > 0 and starting > 0)):
            if starting > 0:
                s = f.at[waking].after
                starting -= 1
            else:
                s = emptiest(f)
                ready -= 1
            unlink(f, s)
            if f.at[s].load > 0:
                f.at[s].phase = DRAINING
            else:
                close(f, s)
                billed -= left
                r = NIL if s == r else r
        # When the replica that did something does the next thing; one that has just become idle is kept for a while.
        if kind == HYBRID and present == 0 and by_replica:
            desired = 0.0
            kept_until = rest(rule, state, ring, now) if state[LEAVES] < 0 else kept_until
            s = f.at[f.shelf].after
            newest = True
            while s < f.shelf:
                kept = newest and state[NEXT] == INF
                settle(f, s, min(max(kept_until, now) if kept else now, f.at[s].dies))
                newest = False
                s = f.at[s].after
        elif r != NIL and f.at[r].load > 0:
            settle(f, r, next_end(f, r, step))
        elif r != NIL:
            settle(f, r, min(idle_until(rule, now, r, ready + starting, present), f.at[r].dies))
    return billed

/* The autoscaled fleet of workbench/models (fleet.py, replicas.py, control.py) in C, the same to the last bit.

   One loop, compiled once for each kind of policy. Left out is what is not measured: requests bound to the replica they
   start, the hybrid histogram, failures, samples. */
#include "reference.c"
#include "reference_lazy.c"

enum { FIXED, BIND, DEMAND, HYBRID, KPA, HPA, RAY, TRACKING };
enum { KIND, CONCURRENCY, MOST, LEAST, INITIAL, ROUTING, IDLE, TARGET, BUFFER, SURPLUS, PERIOD, UP, DOWN, UP_DELAY,
       DOWN_DELAY, WINDOW, SHORT, TOTAL, BURST, THRESHOLD, ACTIVATION, GRACE, RETENTION, STEP, TOLERANCE, COOLDOWN,
       EVERY };
enum { NEWEST, OLDEST, LEAST_LOADED };
enum { GONE, STARTING, READY, DRAINING };
#define NEVER (-1.0)
#define INLINE static inline __attribute__((always_inline))

typedef struct { double virtual, since, ready_at; uint64_t phase, load, after, before; } replica;
typedef struct { double goal, start; uint64_t ticket; } request;
typedef struct {
    double *due; /* a tournament: the next event of replica r at leaves + r, above every two the earlier */
    uint64_t leaves, room, slots, spare, alive, fullest, emptiest, *unused;
    replica *at; /* behind the replicas the heads of the lists by load, then of those that start */
    request *held;
} fleet_t;

INLINE double smaller(double a, double b) { return a < b ? a : b; }
INLINE double larger(double a, double b) { return a > b ? a : b; }

INLINE void settle(fleet_t *f, uint64_t r, double due) {
    uint64_t k = f->leaves + r;
    f->due[k] = due;
    while (k > 1) {
        due = smaller(due, f->due[k ^ 1]);
        k >>= 1;
        if (f->due[k] == due) break;
        f->due[k] = due;
    }
}

INLINE uint64_t soonest(const fleet_t *f) {
    uint64_t k = 1;
    while (k < f->leaves) k = 2 * k + (f->due[2 * k] != f->due[1]);
    return k - f->leaves;
}

INLINE void join(fleet_t *f, uint64_t node, uint64_t head) {
    uint64_t first = f->at[head].after;
    f->at[node].after = first;
    f->at[node].before = head;
    f->at[first].before = f->at[head].after = node;
}

INLINE void leave(fleet_t *f, uint64_t node) {
    uint64_t after = f->at[node].after, before = f->at[node].before;
    f->at[before].after = after;
    f->at[after].before = before;
}

INLINE void shelve(fleet_t *f, uint64_t r) {
    uint64_t load = f->at[r].load;
    join(f, r, f->room + load);
    if (load < f->slots && load > f->fullest) f->fullest = load;
    if (load < f->emptiest) f->emptiest = load;
}

INLINE uint64_t opened(fleet_t *f, uint64_t phase, double ready_at) {
    uint64_t r = f->unused[--f->spare], n;
    for (; r >= (n = f->leaves); f->leaves = 2 * n) {
        memcpy(f->due + 2 * n, f->due + n, n * 8);
        for (uint64_t k = 2 * n - 1; k > 0; k--) f->due[k] = smaller(f->due[2 * k], f->due[2 * k + 1]);
    }
    f->at[r] = (replica){0.0, ready_at, ready_at, phase, 0, 0, 0};
    f->alive++;
    return r;
}

INLINE void closed(fleet_t *f, uint64_t r) {
    settle(f, r, INFINITY);
    f->at[r].phase = GONE;
    f->unused[f->spare++] = r;
    f->alive--;
}

INLINE uint64_t with_room(fleet_t *f, int routing) {
    replica *shelves = f->at + f->room;
    uint64_t load = routing == LEAST_LOADED ? f->emptiest : f->fullest;
    if (routing == LEAST_LOADED) {
        while (load < f->slots && shelves[load].after == f->room + load) load++;
        f->emptiest = load;
        return load < f->slots ? shelves[load].after : NIL;
    }
    while (load > 0 && shelves[load].after == f->room + load) load--;
    f->fullest = load;
    return shelves[load].after < f->room ? shelves[load].after : NIL;
}

INLINE void depart(request *heap, uint64_t load) {
    request last = heap[load];
    uint64_t k = 0, child = 1;
    while (child < load) {
        if (child + 1 < load) child += heap[child + 1].goal < heap[child].goal;
        if (heap[child].goal >= last.goal) break;
        heap[k] = heap[child];
        k = child;
        child = 2 * k + 1;
    }
    heap[k] = last;
}

INLINE void admit(fleet_t *f, uint64_t r, uint64_t ticket, double now, double work, double prompt, const double *step) {
    replica *me = f->at + r;
    request *heap = f->held + r * f->slots;
    uint64_t k = me->load, parent;
    if (now > me->since) {
        if (k > 0) me->virtual += (now - me->since) / (step[0] + step[1] * k);
        me->since = now;
    }
    request one = {me->virtual + work, me->since, ticket};
    for (; k > 0 && heap[parent = (k - 1) >> 1].goal > one.goal; k = parent) heap[k] = heap[parent];
    heap[k] = one;
    me->since += prompt;
    me->load++;
}

INLINE double next_end(const fleet_t *f, uint64_t r, const double *step) {
    const replica *me = f->at + r;
    return me->since + (f->held[r * f->slots].goal - me->virtual) * (step[0] + step[1] * me->load);
}

/* What sizes the fleet. */
typedef struct {
    double origin, tick, next, mark, since, peak, active, active_since, inactive_since, proxy_since, count, *ring;
    uint64_t lap;
} memory;

INLINE double kpa_average(double area, double seconds) { return floor(area / seconds * 1e6 + 0.5) / 1e6; }

INLINE double kpa_want(double observed, double ready, const double *rule) {
    double r = larger(1.0, ready), raw = ceil(observed / rule[TARGET]), lowest = rule[DOWN] > 0 ? floor(r / rule[DOWN]) : 0;
    double want = smaller(larger(raw, lowest), ceil(rule[UP] * r));
    return rule[ACTIVATION] > 1 && raw > 0 ? larger(want, rule[ACTIVATION]) : want;
}

INLINE double recent_most(double *ring, int64_t length, int64_t number, double value) {
    double most = ring[number % length] = value;
    ring[length + number % length] = number;
    for (int64_t k = 0; k < length; k++)
        if (ring[length + k] > number - length) most = larger(most, ring[k]);
    return most;
}

INLINE double to_zero(const double *rule, memory *m, double now, double desired, double replicas) {
    if (desired > 0 || rule[LEAST] > 0) {
        if (desired > 0 && m->active == 0) m->active = 1.0, m->active_since = now;
        return desired;
    }
    if (replicas == 0) return 0.0;
    if (m->active > 0) {
        if (now - m->active_since < rule[WINDOW]) return 1.0;
        m->active = 0.0, m->inactive_since = now;
        if (m->proxy_since == NEVER) m->proxy_since = now;
    }
    return now - m->proxy_since >= rule[GRACE] && now - m->inactive_since >= rule[RETENTION] ? 0.0 : replicas;
}

INLINE double kpa(const double *rule, memory *m, double now, double area, double ready, double replicas) {
    uint64_t second = m->tick, every = rule[EVERY], turn = m->lap - 1;
    m->ring[second & turn] = area;
    if (second % every != 0) return replicas;
    double stable_s = smaller(m->tick, rule[WINDOW]), panic_s = smaller(m->tick, rule[SHORT]);
    double stable = kpa_average(area - m->ring[(second - (uint64_t)stable_s) & turn], stable_s);
    double panic = kpa_average(area - m->ring[(second - (uint64_t)panic_s) & turn], panic_s);
    double desired = kpa_want(stable, ready, rule), burst = rule[BURST];
    if (ceil(panic / rule[TARGET]) / larger(1.0, ready) >= rule[THRESHOLD]) m->since = now;
    else if (m->since != NEVER && m->since + rule[WINDOW] < now) m->since = NEVER, m->peak = 0.0;
    if (m->since != NEVER) m->peak = desired = larger(larger(desired, kpa_want(panic, ready, rule)), m->peak);
    int64_t delay = ceil(rule[DOWN_DELAY] / rule[EVERY]);
    if (delay > 0) desired = recent_most(m->ring + m->lap, delay, second / every, desired);
    if (burst > 0) burst = floor(ready * rule[TOTAL] - burst - panic);
    if (burst >= 0 && m->active > 0) m->proxy_since = NEVER;
    else if (m->proxy_since == NEVER) m->proxy_since = now;
    return to_zero(rule, m, now, desired, replicas);
}

INLINE double hpa(const double *rule, memory *m, double now, double present, double replicas) {
    int64_t tick = m->tick;
    if (tick % (int64_t)rule[EVERY] == 0) {
        if (present > 0) {
            m->since = now;
            if (replicas == 0) return larger(1.0, rule[LEAST]);
        } else if (rule[LEAST] == 0 && replicas > 0 && now - m->since > rule[COOLDOWN]) {
            return 0.0;
        }
    }
    if (replicas == 0) return replicas;
    double want = ceil(present / rule[TARGET]);
    if (fabs(present / (rule[TARGET] * replicas) - 1) <= rule[TOLERANCE]) want = replicas;
    double lasting = recent_most(m->ring, larger(ceil(rule[DOWN_DELAY] / rule[PERIOD]), 1.0), tick, want);
    double more = replicas + larger(rule[STEP], ceil(replicas * rule[UP]));
    return larger(want > replicas ? smaller(want, more) : smaller(replicas, lasting), 1.0);
}

INLINE double ray(const double *rule, memory *m, double present, double area, double ready, double replicas) {
    uint64_t tick = m->tick, turn = m->lap - 1;
    double ticks = smaller(m->tick, rule[WINDOW]);
    m->ring[tick & turn] = area;
    double desired = (area - m->ring[(tick - (uint64_t)ticks) & turn]) / (ticks * rule[PERIOD]) / rule[TARGET];
    double want = ceil(ready + (desired > ready ? rule[UP] : rule[DOWN]) * (desired - ready));
    if (ready == 0) {
        m->count = 0.0;
        return present > 0 ? larger(replicas, ceil(rule[UP])) : replicas;
    }
    if (ceil(desired) < ready && want == ready) want -= 1;
    if (want < 1 && ready > 1) want = 1;
    want = smaller(larger(want, rule[LEAST]), rule[MOST]);
    if (want > replicas) {
        m->count = larger(m->count, 0.0) + 1;
        if (m->count <= rule[UP_DELAY]) return replicas;
    } else if (want < replicas) {
        m->count = smaller(m->count, 0.0) - 1;
        if (-m->count <= rule[DOWN_DELAY]) return replicas;
    }
    m->count = 0.0;
    return want;
}

INLINE double tracking(const double *rule, memory *m, double now, double present, double area, double replicas) {
    double load = (area - m->mark) / rule[PERIOD], want = present > 0 ? rule[STEP] : 0.0;
    m->mark = area;
    if (replicas > 0) want = ceil(larger(load, 0.0) / rule[TARGET]);
    double cooldown = want > replicas ? rule[UP_DELAY] : rule[DOWN_DELAY];
    if (want == replicas || (m->count > 0 && now - m->since < cooldown)) return replicas;
    m->since = now, m->count = 1.0;
    return want;
}

INLINE void skip(int kind, const double *rule, memory *m, double until, double area) {
    double ticks = floor((until - m->origin) / rule[PERIOD]);
    while (m->origin + ticks * rule[PERIOD] > until) ticks -= 1;
    while (m->origin + (ticks + 1) * rule[PERIOD] <= until) ticks += 1;
    if (kind == KPA || kind == RAY)
        for (uint64_t k = larger(m->tick + 1, ticks - m->lap); k <= ticks; k++) m->ring[k & (m->lap - 1)] = area;
    if (kind == RAY) m->count = 0.0;
    m->mark = area;
    m->tick = larger(m->tick, ticks);
    m->next = m->origin + (m->tick + 1) * rule[PERIOD];
}

INLINE double wanted(const double *rule, double present) {
    double want = ceil(present / rule[TARGET]) + (present > 0 ? rule[BUFFER] : 0.0);
    return smaller(larger(want, rule[LEAST]), rule[MOST]);
}

#define ARGUMENTS \
    const double *arrivals, const double *work, const double *prompt, uint64_t n, const double *setups, \
    uint64_t setups_n, const double *rule, double *ring, const double *step, uint64_t room, uint64_t measured, \
    double limit_s, double *tally, uint64_t batches, int64_t *bins
#define LEFT larger(end - larger(now, opening), 0.0)

INLINE double fleet_of(int kind, ARGUMENTS) {
    uint64_t slots = rule[CONCURRENCY], mask = setups_n - 1, begun = 0, head = 0, i = 0, done = 0, waking = room + slots + 1;
    double opening = arrivals[measured], end = arrivals[n - 1], now = arrivals[0], area = 0.0, billed = 0.0;
    double per_request = (double)batches / n, desired = rule[INITIAL], ready = 0.0, starting = 0.0, present = 0.0;
    fleet_t own = {malloc(2 * room * 8), 1, room, slots, room, 0, 0, slots, malloc(room * 8),
                   malloc((waking + 1) * sizeof(replica)), malloc(room * slots * sizeof(request))}, *f = &own;
    for (uint64_t k = 0; k < 2 * room; k++) f->due[k] = INFINITY;
    for (uint64_t k = 0; k < room; k++) f->unused[k] = room - 1 - k;
    for (uint64_t k = room; k <= waking; k++) f->at[k].after = f->at[k].before = k;
    memory m = {.origin = now, .next = kind >= KPA ? now + rule[PERIOD] : INFINITY, .active = desired > 0,
                .since = desired > 1 ? now : NEVER, .peak = desired > 1 ? desired : 0.0, .active_since = now,
                .proxy_since = now, .ring = ring, .lap = 1};
    while (m.lap <= rule[WINDOW]) m.lap *= 2;
    for (; ready < desired; ready++, begun++) {
        uint64_t r = opened(f, READY, now);
        f->at[r].ready_at = -INFINITY;
        shelve(f, r);
        billed += end - opening;
    }
    while (done < n) {
        if (kind >= KPA && present == 0 && f->alive == 0 && i < n && m.next <= arrivals[i])
            skip(kind, rule, &m, arrivals[i], area);
        double arrival = i < n ? arrivals[i] : INFINITY, due = f->due[1], others = smaller(m.next, arrival), then = others;
        uint64_t r = NIL;
        if (due <= others) {
            r = soonest(f);
            then = due;
            if (due == others && f->at[r].phase == READY && f->at[r].load == 0) r = NIL;
        }
        if (then == INFINITY) break;
        area += present * (then - now);
        now = then;
        if (r != NIL) {
            replica *me = f->at + r;
            if (me->phase == STARTING) {
                leave(f, r);
                me->phase = READY;
                shelve(f, r);
                starting--, ready++;
            } else if (me->load > 0) {
                request *heap = f->held + r * slots, one = heap[0];
                uint64_t q = one.ticket >> 1;
                double wait = one.start - arrivals[q], latency = now - arrivals[q];
                if (q >= measured) {
                    double *row = tally + 4 * (uint64_t)(q * per_request);
                    row[0] += 1;
                    row[1] += one.ticket & 1;
                    row[2] += latency <= limit_s;
                    row[3] += wait;
                    bins[slot(wait)]++;
                    bins[BINS + slot(latency)]++;
                    bins[2 * BINS + slot(one.start + prompt[q] - arrivals[q])]++;
                }
                done++, present--, me->load--;
                me->virtual = me->load > 0 ? one.goal : 0.0;
                me->since = now;
                if (me->load > 0) depart(heap, me->load);
                if (me->phase == READY) {
                    leave(f, r);
                    shelve(f, r);
                } else if (me->load == 0) {
                    closed(f, r);
                    billed -= LEFT;
                    r = NIL;
                }
            } else if (kind != DEMAND || ready + starting > wanted(rule, present)) {
                leave(f, r);
                closed(f, r);
                ready--;
                billed -= LEFT;
                r = NIL;
            }
        } else if (m.next <= arrival) {
            m.next = m.origin + (++m.tick + 1) * rule[PERIOD];
            double replicas = ready + starting;
            desired = kind == KPA   ? kpa(rule, &m, now, area, ready, replicas)
                      : kind == HPA ? hpa(rule, &m, now, present, replicas)
                      : kind == RAY ? ray(rule, &m, present, area, ready, replicas)
                                    : tracking(rule, &m, now, present, area, replicas);
            desired = smaller(larger(desired, rule[LEAST]), rule[MOST]);
            if (desired == replicas && head == i) continue;
        } else {
            i++, present++;
            if (kind == KPA && ready + starting == 0) {
                m.active = 1.0, m.active_since = now;
                desired = smaller(larger(larger(1.0, rule[ACTIVATION]), rule[LEAST]), rule[MOST]);
            }
        }
        while (head < i) {
            uint64_t taker = with_room(f, rule[ROUTING]);
            if (taker == NIL) break;
            leave(f, taker);
            admit(f, taker, 2 * head + (f->at[taker].ready_at >= arrivals[head]), now, work[head], prompt[head], step);
            shelve(f, taker);
            head++;
            if (taker != r) settle(f, taker, next_end(f, taker, step));
        }
        if (kind == DEMAND) desired = wanted(rule, present);
        while (ready + starting < desired) {
            if (f->spare == 0) goto end;
            uint64_t s = opened(f, STARTING, now + setups[begun++ & mask]);
            starting++;
            join(f, s, waking);
            settle(f, s, f->at[s].ready_at);
            billed += LEFT;
        }
        while (ready + starting > desired && (kind == FIXED || kind >= KPA || (rule[SURPLUS] > 0 && starting > 0))) {
            uint64_t s = waking;
            if (starting > 0) starting--;
            else for (s = room, ready--; f->at[s].after == s;) s++;
            s = f->at[s].after;
            leave(f, s);
            f->at[s].phase = DRAINING;
            if (f->at[s].load > 0) continue;
            closed(f, s);
            billed -= LEFT;
            if (s == r) r = NIL;
        }
        if (r == NIL) continue;
        double until = INFINITY;
        if (f->at[r].load > 0) until = next_end(f, r, step);
        else if (kind == DEMAND && rule[IDLE] > 0) until = now + rule[IDLE];
        else if (kind == DEMAND && ready + starting > wanted(rule, present)) until = now;
        settle(f, r, until);
    }
end:
    free(f->due), free(f->unused), free(f->at), free(f->held);
    return done == n ? billed : NAN;
}

#define CASE(kind) case kind: return fleet_of(kind, arrivals, work, prompt, n, setups, setups_n, rule, ring, step, room, \
                                              measured, limit_s, tally, batches, bins);
double fleet(ARGUMENTS) {
    switch ((int)rule[KIND]) { CASE(FIXED) CASE(DEMAND) CASE(KPA) CASE(HPA) CASE(RAY) CASE(TRACKING) }
    return NAN;
}

/* The keep-alive pool of workbench/models/kernel.py in C, with its lazy queue, to measure the compiled Python against.

   The same algorithm, the same results. Included by reference_fleet.c, behind reference.c, whose pool has a heap or a
   timing wheel of sorted lists instead. */

static inline void insert(double *due, uint64_t end, double value) {
    double a = due[end - 1], b = due[end - 2], c = due[end - 3], d = due[end - 4], rest = value;
    due[end] = rest > a ? rest : a;
    rest = rest < a ? rest : a;
    due[end - 1] = rest > b ? rest : b;
    rest = rest < b ? rest : b;
    due[end - 2] = rest > c ? rest : c;
    rest = rest < c ? rest : c;
    due[end - 3] = rest > d ? rest : d;
    if (d > value) {
        uint64_t k = end - 4;
        for (; due[k - 1] > value; k--) due[k] = due[k - 1];
        due[k] = value;
    }
}

static inline uint64_t slot_of(double seconds, double per_second) {
    double place = seconds * per_second;
    return (int64_t)(place < 0x1p62 ? place : 0x1p62);
}

double lazy_pool(const double *arrivals, const double *service, uint64_t n, const double *setups, uint64_t setups_n,
                 double idle_s, uint64_t most, uint64_t oldest, uint64_t measured, const uint64_t *edges,
                 double limit_s, uint64_t slots, double per_second, uint64_t room, double *tally, int64_t *bins) {
    double begin = arrivals[measured], end = arrivals[n - 1], origin = arrivals[0], billed = 0.0;
    uint64_t mask = setups_n - 1, turn = slots - 1, ring = 2 * room - 1, full = 4 * room, i = 0;
    uint64_t cursor = 0, spare = NIL, nodes = 0, first = 4, last = 4, low = 0, high = 0, alive = 0, started = 0;
    double *due = malloc((full + 8) * 8), *idle = malloc((ring + 1) * 8), *far = malloc(room * 8);
    uint64_t *after = malloc(room * 8), *wheel = malloc(slots * 8);
    for (uint64_t k = 0; k < slots; k++) wheel[k] = NIL;
    for (uint64_t k = 0; k < 4; k++) {
        due[k] = -INFINITY;
        due[4 + k] = INFINITY;
    }
    for (; i < n; edges++, tally += 4) {
        uint64_t requests = 0, cold = 0, within = 0;
        double waited = 0.0;
        for (; i < *edges; i++) {
            double arrival = arrivals[i], start;
            uint64_t now = slot_of(arrival - origin, per_second), was_cold = 0, waits = 0, node;
            for (;;) {
                for (uint64_t free_now = 4; free_now == 4;) {
                    double a = due[first], b = due[first + 1], c = due[first + 2], d = due[first + 3];
                    idle[high & ring] = a;
                    idle[(high + 1) & ring] = b;
                    idle[(high + 2) & ring] = c;
                    idle[(high + 3) & ring] = d;
                    free_now = (a <= arrival) + (b <= arrival) + (c <= arrival) + (d <= arrival);
                    high += free_now;
                    first += free_now;
                }
                if (cursor >= now && !waits) {
                    for (; low < high && idle[low & ring] + idle_s < arrival; low++, alive--)
                        billed -= end - fmax(idle[low & ring] + idle_s, begin);
                    waits = low == high && alive == most;
                }
                if (cursor >= now && (!waits || due[first] < INFINITY)) break;
                cursor++;
                first = last = 4;
                for (uint64_t k = 0; k < 4; k++) due[4 + k] = INFINITY;
                node = wheel[cursor & turn];
                wheel[cursor & turn] = NIL;
                while (node != NIL) {
                    uint64_t rest = after[node];
                    if (slot_of(far[node] - origin, per_second) <= cursor) {
                        due[last + 4] = INFINITY;
                        insert(due, last++, far[node]);
                        after[node] = spare;
                        spare = node;
                    } else {
                        after[node] = wheel[cursor & turn];
                        wheel[cursor & turn] = node;
                    }
                    node = rest;
                }
            }
            if (waits) {
                start = due[first++];
            } else if (low < high) {
                start = arrival;
                if (oldest) low++;
                else high--;
            } else if (alive == room) {
                return NAN;
            } else {
                start = arrival + setups[started++ & mask];
                was_cold = 1;
                billed += end - fmax(arrival, begin);
                alive++;
            }
            double finish = start + service[i], wait = start - arrival, latency = finish - arrival;
            uint64_t place = slot_of(finish - origin, per_second);
            if (place > cursor) {
                node = spare;
                if (node == NIL) node = nodes++;
                else spare = after[node];
                far[node] = finish;
                after[node] = wheel[place & turn];
                wheel[place & turn] = node;
            } else {
                if (last == full) {
                    memmove(due + 4, due + first, (last - first + 4) * 8);
                    last = last - first + 4;
                    first = 4;
                }
                due[last + 4] = INFINITY;
                insert(due, last++, finish);
            }
            if (i >= measured) {
                requests++;
                cold += was_cold;
                within += latency <= limit_s;
                waited += wait;
                bins[slot(wait)]++;
                bins[BINS + slot(latency)]++;
            }
        }
        tally[0] = requests;
        tally[1] = cold;
        tally[2] = within;
        tally[3] = waited;
    }
    free(due);
    free(idle);
    free(far);
    free(after);
    free(wheel);
    return billed;
}

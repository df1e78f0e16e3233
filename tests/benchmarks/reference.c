/* The keep-alive pool of workbench/models/kernel.py in C as it is usually written, to measure the compiled Python against.

   The same results by other means: a heap or a timing wheel of sorted lists for busy replicas, and an event for each that
   becomes free. Compiled by tests/benchmarks/kernels.py, with the fleet, with several sets of flags, of which the best
   counts. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NIL UINT64_MAX
#define BINS 6656
#define SHIFT 45
#define FIRST_BIN ((1023 - 20) << 7)

static inline int64_t slot(double seconds) {
    int64_t word;
    memcpy(&word, &seconds, 8);
    int64_t bin = (word >> SHIFT) - FIRST_BIN;
    return bin < 0 ? 0 : bin > BINS - 1 ? BINS - 1 : bin;
}

static inline void heap_pop(double *heap, uint64_t size) {
    double last = heap[size];
    uint64_t k = 0, child = 1;
    while (child < size) {
        if (child + 1 < size && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= last) break;
        heap[k] = heap[child];
        k = child;
        child = 2 * k + 1;
    }
    heap[k] = last;
}

static inline void heap_push(double *heap, uint64_t size, double value) {
    uint64_t k = size;
    while (k > 0) {
        uint64_t parent = (k - 1) >> 1;
        if (heap[parent] <= value) break;
        heap[k] = heap[parent];
        k = parent;
    }
    heap[k] = value;
}

double pool(const double *arrivals, const double *service, uint64_t n, const double *setups, uint64_t setups_n,
            double idle_s, uint64_t most, uint64_t oldest, uint64_t measured, const uint64_t *edges, double limit_s,
            uint64_t slots, uint64_t room, double *tally, int64_t *bins) {
    double begin = arrivals[measured], end = arrivals[n - 1], origin = arrivals[0], billed = 0.0;
    double per_second = slots ? n / (end - origin) : 0.0;
    uint64_t mask = setups_n - 1, turn = (slots ? slots : 1) - 1, ring = room - 1;
    uint64_t size = 0, spare = NIL, cursor = 0, low = 0, high = 0, alive = 0, started = 0, head = 0, i = 0;
    uint64_t nodes = 0, edge = edges[0];
    double *busy = malloc(room * 8), *idle = malloc(room * 8);
    uint64_t *after = malloc(room * 8), *wheel = malloc((turn + 1) * 8);
    for (uint64_t k = 0; k <= turn; k++) wheel[k] = NIL;
    while (head < n) {
        double arrival = i < n ? arrivals[i] : INFINITY, free_at = INFINITY, start, wait;
        uint64_t node = NIL, was_cold = 0;
        if (size > 0 && slots == 0) {
            free_at = busy[0];
        } else if (size > 0) {
            uint64_t last = i < n ? (uint64_t)((arrival - origin) * per_second) : NIL;
            while (cursor <= last) {
                node = wheel[cursor & turn];
                if (node != NIL && (uint64_t)((busy[node] - origin) * per_second) <= cursor) {
                    free_at = busy[node];
                    break;
                }
                cursor++;
            }
            if (cursor > last) cursor = last;
        }
        if (free_at <= arrival) {
            size--;
            if (slots == 0) {
                heap_pop(busy, size);
            } else {
                wheel[cursor & turn] = after[node];
                after[node] = spare;
                spare = node;
            }
            if (head == i) {
                if (high - low == room) return NAN;
                idle[high++ & ring] = free_at;
                continue;
            }
            start = free_at;
            wait = free_at - arrivals[head];
        } else {
            i++;
            while (low < high && idle[low & ring] + idle_s < arrival) {
                billed -= end - fmax(idle[low & ring] + idle_s, begin);
                low++;
                alive--;
            }
            if (low < high) {
                start = arrival;
                wait = 0.0;
                if (oldest) low++;
                else high--;
            } else if (alive < most) {
                start = arrival + setups[started++ & mask];
                wait = start - arrival;
                was_cold = 1;
                billed += end - fmax(arrival, begin);
                alive++;
            } else {
                continue;
            }
        }
        double finish = start + service[head];
        if (size == room) return NAN;
        if (slots == 0) {
            heap_push(busy, size, finish);
        } else {
            if (size == 0) cursor = (uint64_t)((arrivals[head] - origin) * per_second);
            if (spare == NIL) {
                node = nodes++;
            } else {
                node = spare;
                spare = after[node];
            }
            busy[node] = finish;
            uint64_t place = (uint64_t)((finish - origin) * per_second) & turn, later = wheel[place];
            if (later == NIL || busy[later] >= finish) {
                after[node] = later;
                wheel[place] = node;
            } else {
                while (after[later] != NIL && busy[after[later]] < finish) later = after[later];
                after[node] = after[later];
                after[later] = node;
            }
        }
        size++;
        if (head >= edge) {
            tally += 4;
            edge = *++edges;
        }
        if (head >= measured) {
            double latency = finish - arrivals[head];
            tally[0] += 1;
            tally[1] += was_cold;
            tally[2] += latency <= limit_s;
            tally[3] += wait;
            bins[slot(wait)]++;
            bins[BINS + slot(latency)]++;
        }
        head++;
    }
    free(busy);
    free(after);
    free(wheel);
    free(idle);
    return billed;
}

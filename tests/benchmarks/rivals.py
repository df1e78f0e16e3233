"""Other simulators on the same model, CPU nanoseconds a request: how many times slower they are than ours.

A pool that keeps replicas alive, and M/M/c where no replica starts or ends. SimPy and Ciw get our trace and must come
to our results; SimFaaS draws its own, with cold starts as it has them, and is not checked. Test-only packages, in no
lock; what is missing is said and left out.
"""

import importlib.util
import sys
import time
from functools import partial
from importlib.metadata import version
from itertools import product

import numpy as np
from timing import Row, show

from workbench.models.policies import KeepAlive
from workbench.models.simulation import simulate

BUSY, IDLE_S, COLD_START_S, TURNS, SEED = (1.0, 100.0, 1000.0), 60.0, 5.0, 3, 1
OURS, NEVER_S = 1_000_000, 1e300
SAME = 1e-9
GET = ".venv/bin/uv pip install -r pyproject.toml --extra bench"


def trace(n: int, busy: float) -> tuple[np.ndarray, np.ndarray]:
    """Arrivals and service times, one second each in the mean, of `busy` requests at once."""
    random = np.random.default_rng(SEED)
    return np.cumsum(random.exponential(1 / busy, n)), random.exponential(1.0, n)


def servers(busy: float) -> int:
    return int(busy * 1.3) + 2


class SimPy:
    """What its models share: requests that come at their times, and what is counted."""

    def __init__(self, trace, busy):
        import simpy

        self.trace, self.busy, self.env, self.end = trace, busy, simpy.Environment(), float(trace[0][-1])
        self.waits, self.latencies, self.cold, self.billed = [], [], 0, 0.0

    def run(self, each) -> tuple[float, float, float]:
        """Mean wait, share of cold starts, replica-seconds; `each` is called with every request."""
        env = self.env

        def source():
            for came, service in zip(*(a.tolist() for a in self.trace), strict=True):
                yield env.timeout(came - env.now)
                each(came, service)

        env.process(source())
        env.run()
        assert len(self.latencies) == len(self.waits)
        return float(np.mean(self.waits)), self.cold / len(self.waits), self.billed

    def pool(self):
        """An idle replica waits for a call or its time-out, as customers that renege do in the manual."""
        env, idle, end = self.env, [], self.end

        def replica(came, service):
            self.cold += 1
            began = env.now
            yield env.timeout(COLD_START_S)
            while True:
                self.waits.append(env.now - came)
                yield env.timeout(service)
                self.latencies.append(env.now - came)
                call = env.event()
                idle.append(call)
                yield call | env.timeout(IDLE_S)
                if not call.triggered:
                    break
                came, service = call.value
            idle.remove(call)
            self.billed += min(env.now, end) - began

        def each(came, service):
            if idle:
                idle.pop().succeed((came, service))
            else:
                env.process(replica(came, service))

        return self.run(each)

    def bare(self):
        """The same with SimPy as no more than a clock: idle replicas are times in a list, expiry is looked up."""
        env, idle, end = self.env, [], self.end

        def expire(until):
            while idle and idle[0] + IDLE_S < until:
                self.billed -= max(end - idle.pop(0) - IDLE_S, 0.0)

        def serve(came, service):
            expire(came)
            if idle:
                idle.pop()
            else:
                self.cold += 1
                self.billed += end - came
                yield env.timeout(COLD_START_S)
            self.waits.append(env.now - came)
            yield env.timeout(service)
            self.latencies.append(env.now - came)
            idle.append(env.now)

        result = self.run(lambda came, service: env.process(serve(came, service)))
        expire(end)
        return *result[:2], self.billed

    def queue(self):
        """M/M/c as in the manual, with a resource."""
        import simpy

        env, fleet = self.env, simpy.Resource(self.env, servers(self.busy))

        def serve(came, service):
            with fleet.request() as turn:
                yield turn
                self.waits.append(env.now - came)
                yield env.timeout(service)
                self.latencies.append(env.now - came)

        return self.run(lambda came, service: env.process(serve(came, service)))[0], None, None


def ciw_queue(trace, busy):
    """M/M/c: no replica is started or ended."""
    import ciw

    (arrivals, service), n = trace, trace[0].size
    gaps = np.diff(arrivals, prepend=0.0).tolist()
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Sequential([*gaps, NEVER_S])],
        service_distributions=[ciw.dists.Sequential(service.tolist())],
        number_of_servers=[servers(busy)],
    )
    run = ciw.Simulation(network)
    run.simulate_until_max_customers(n, method="Finish")
    return float(np.mean([r.waiting_time for r in run.get_all_records()])), None, None


def simfaas_pool(trace, busy):
    """Its own model of a serverless platform, over a time in which as many requests come."""
    from simfaas.ServerlessSimulator import ServerlessSimulator
    from simfaas.SimProcess import ExpSimProcess

    run = ServerlessSimulator(
        arrival_process=ExpSimProcess(rate=busy), warm_service_process=ExpSimProcess(rate=1.0),
        cold_service_process=ExpSimProcess(rate=1 / (1.0 + COLD_START_S)), expiration_threshold=IDLE_S,
        max_time=trace[0].size / busy,
    )  # fmt: skip
    run.generate_trace(debug_print=False, progress=False)
    return None, None, None


def pool(_: float) -> KeepAlive:
    return KeepAlive(IDLE_S, COLD_START_S)


def queue(busy: float) -> KeepAlive:
    """M/M/c: replicas that start at once and never end."""
    return KeepAlive(NEVER_S, 0.0, max_replicas=servers(busy))


RIVALS = {
    "simpy, pool": (20_000, 200, lambda *a: SimPy(*a).pool(), pool),
    "simpy, pool by hand": (20_000, None, lambda *a: SimPy(*a).bare(), pool),
    "simpy, M/M/c": (20_000, 200, lambda *a: SimPy(*a).queue(), queue),
    "ciw, M/M/c": (10_000, 700, ciw_queue, queue),
    "simfaas, pool": (5_000, 1000, simfaas_pool, pool),
}
"""By package and model: requests, how many times slower it is to be, the model, our policy. A model gives the mean
wait, the share of cold starts and the replica-seconds, None where it does not tell them or draws its own."""


def ours(policy: KeepAlive, trace) -> tuple[float, float, float]:
    """The whole call: checks of the input and the making of the result included, as theirs are."""
    run = simulate(*trace, policy)
    return run.wait_mean, run.cold_share, run.replica_seconds


def nanoseconds(run, trace) -> float:
    start = time.thread_time_ns()
    run(trace)
    return (time.thread_time_ns() - start) / trace[0].size


def agree(name: str, theirs, expected) -> None:
    for got, wanted in zip(theirs, expected, strict=True):
        if got is not None and abs(got - wanted) > SAME * max(1.0, wanted):
            raise AssertionError(f"{name}: {got!r} where ours gives {wanted!r}")


def benchmark():
    """A row for each that is there, on each load, samples in turns; the limit is on our share of its time."""
    for name in sorted({name.partition(",")[0] for name in RIVALS}):
        if not importlib.util.find_spec(name):
            yield Row(f"NOT MEASURED: {name} is missing", [0.0], "", None, f"get it with {GET}")
    for busy, (name, (n, target, model, policy_of)) in product(BUSY, RIVALS.items()):
        package, _, what = name.partition(",")
        if not importlib.util.find_spec(package):
            continue
        short, long, policy = trace(n, busy), trace(OURS, busy), policy_of(busy)
        agree(f"{name}, {busy:g} busy", model(short, busy), ours(policy, short))
        pairs = [(nanoseconds(partial(lambda t, m, b: m(t, b), m=model, b=busy), short),
                  nanoseconds(partial(ours, policy), long)) for _ in range(TURNS)]  # fmt: skip
        theirs, least = (min(samples) for samples in zip(*pairs, strict=True))
        promised = f" ({target:,} promised)" if target else ""
        shown = " ".join(f"{a:,.0f}/{b:.1f}" for a, b in pairs)
        note = f"{theirs / least:,.0f} times ours{promised}; ns a request, theirs/ours: {shown}"
        limit = 1 / target if target else None
        yield Row(f"{package} {version(package)},{what}, {busy:g} busy", [least / theirs], "of it", limit, note)


if __name__ == "__main__":
    print(f"Python {sys.version.split()[0]}, numpy {np.__version__}; ours {OURS:,} requests, seed {SEED}")
    show("Other simulators on the same model", list(benchmark()))

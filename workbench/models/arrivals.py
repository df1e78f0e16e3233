"""Traffic that is described, not recorded: arrival times, clients, rhythms, sizes.

Arrival times are rising seconds within [0, seconds]; a draw may be empty. A renewal stream has independent gaps, whose
coefficient of variation, CV, is its burstiness: 1 is Poisson. It starts in equilibrium (the first gap is what is left
of one met at random): the expected count is rate times seconds. `seed` is a whole number or a NumPy Generator. Bad
arguments raise WorkbenchError.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.checks import numbers
from workbench.records import WorkbenchError
from workbench.units import Count, PerSecond, Ratio, Seconds, Share

Draws = NDArray[np.float64]
CVS = 0.02, 100.0  # gaps all alike, and gaps of which hardly any is seen: beyond lies no traffic
SHAPES = 0.1, 100.0  # of a Weibull, beyond those CVs
HALVINGS = 60  # bisections that use up the digits of a float
MOST = 100_000_000  # more numbers than this do not fit the memory of a small machine (800 MB)


def poisson(rate_per_s: PerSecond, seconds: Seconds, seed: Any = 0) -> Draws:
    """Arrivals of a Poisson stream: what very many independent users add up to."""
    rate, expected, _, rng = _stream("models.arrivals.poisson", rate_per_s, seconds, 1, seed)
    return _renewal(rng.standard_exponential(1), expected, rng.standard_exponential) / rate


def gamma_renewal(rate_per_s: PerSecond, seconds: Seconds, gap_cv: Ratio, seed: Any = 0) -> Draws:
    """Arrivals with gamma gaps of shape 1/CV^2; a gap met at random is gamma too, of a shape one more."""
    rate, expected, cv, rng = _stream("models.arrivals.gamma_renewal", rate_per_s, seconds, gap_cv, seed)
    shape = cv**-2
    first = rng.random() * rng.gamma(shape + 1, 1 / shape, 1)
    return _renewal(first, expected, lambda count: rng.gamma(shape, 1 / shape, count)) / rate


def weibull_renewal(rate_per_s: PerSecond, seconds: Seconds, gap_cv: Ratio, seed: Any = 0) -> Draws:
    """Arrivals with Weibull gaps; a gap met at random is scale x G^(1/shape), G gamma of shape 1 + 1/shape."""
    rate, expected, cv, rng = _stream("models.arrivals.weibull_renewal", rate_per_s, seconds, gap_cv, seed)
    scale = 1 / math.gamma(1 + 1 / (shape := _weibull_shape(cv)))
    first = rng.random() * scale * rng.gamma(1 + 1 / shape, 1.0, 1) ** (1 / shape)
    return _renewal(first, expected, lambda count: scale * rng.weibull(shape, count)) / rate


def _weibull_shape(cv: float) -> float:
    """Where CV^2 = G(1 + 2/shape) / G(1 + 1/shape)^2 - 1, by bisection: there is no closed form."""
    low, high = SHAPES
    for _ in range(HALVINGS):
        shape = math.sqrt(low * high)
        square = math.expm1(math.lgamma(1 + 2 / shape) - 2 * math.lgamma(1 + 1 / shape))
        low, high = (shape, high) if square > cv**2 else (low, shape)
    return low


def _stream(where: str, rate_per_s: Any, seconds: Any, gap_cv: Any, seed: Any) -> tuple[float, float, float, Any]:
    rate, length, cv = _scalars(where, rate_per_s=rate_per_s, seconds=seconds, gap_cv=gap_cv)
    if not CVS[0] <= cv <= CVS[1] or rate * length > MOST:
        remedy = f"give a CV from {CVS[0]:g} to {CVS[1]:g}, and ask for at most {MOST:,} arrivals"
        raise WorkbenchError(where, f"gap_cv={cv:g} and {rate * length:g} arrivals are out of range", remedy)
    return rate, rate * length, cv, _generator(where, seed)


def _renewal(first: Draws, expected: float, gaps: Any) -> Draws:
    """Arrivals of a stream of rate 1 until `expected`; `gaps(count)` draws blocks that mostly suffice at once."""
    parts = [first]
    while (left := expected - parts[-1][-1]) > 0:
        parts.append(parts[-1][-1] + np.cumsum(gaps(int(left + 2 * math.sqrt(left)) + 1)))
    return (times := np.concatenate(parts))[: np.searchsorted(times, expected)]


def client_mix(
    rates_per_s: PerSecond, gap_cvs: Ratio, seconds: Seconds, seed: Any = 0, stream: Any = gamma_renewal
) -> Draws:
    """The sum of independent clients, one rate and one CV each, as ServeGen (NSDI 2026) describes production traffic.

    Each client draws from a seed of its own, so that one more moves no other's requests; `stream` is their family.
    """
    where = "models.arrivals.client_mix"
    rates, cvs = map(np.atleast_1d, numbers(where, strict=True, rates_per_s=rates_per_s, gap_cvs=gap_cvs))
    if rates.shape != cvs.shape:
        raise WorkbenchError(where, f"{rates.shape} rates, {cvs.shape} CVs", "give one of each for each client")
    clients = zip(rates, cvs, _generator(where, seed).spawn(len(rates)), strict=True)
    return np.sort(np.concatenate([stream(rate, seconds, cv, own) for rate, cv, own in clients]))


def with_rhythm(arrivals_s: Seconds, seconds: Seconds, multipliers: Ratio, step_s: Seconds) -> Draws:
    """The same arrivals at a rate that follows `multipliers`, one for each `step_s`, repeated: a day's, or a week's.

    Operational time: the stream runs on a clock that goes fast where the load is high, so that each stretch keeps the
    CV of its gaps, and the count stays what it was. A week is np.outer(days, hours).ravel(); np.roll starts elsewhere.
    """
    where = "models.arrivals.with_rhythm"
    seconds, step_s = _scalars(where, seconds=seconds, step_s=step_s)
    times, levels = map(np.atleast_1d, numbers(where, arrivals_s=arrivals_s, multipliers=multipliers))
    if times.max() > seconds or seconds > step_s * MOST:
        raise WorkbenchError(where, f"arrivals or steps do not fit {seconds:g} s", "give the true length, longer steps")
    knots = np.append(np.minimum(np.arange(0, seconds, step_s), seconds), seconds)
    work = np.append(0, np.cumsum(np.resize(levels, len(knots) - 1) * np.diff(knots)))
    if not work[-1]:
        raise WorkbenchError(where, f"no multiplier is above 0 within {seconds:g} s", "give one that is")
    return np.interp(times * (work[-1] / seconds), work, knots)


def spread(arrivals_s: Seconds, step_s: Seconds, seed: Any = 0) -> Draws:
    """Arrivals of a clock that ticks only each `step_s`, at random moments of their tick instead of all at once."""
    (times,) = numbers(where := "models.arrivals.spread", arrivals_s=np.atleast_1d(arrivals_s))
    return np.sort(times + _scalars(where, step_s=step_s)[0] * _generator(where, seed).random(times.shape))


def lognormal(median: Any, log_sd: Ratio, count: Count, seed: Any = 0) -> Draws:
    """`count` draws, of tokens or seconds, with that median and standard deviation of the natural logarithm."""
    median, log_sd = _scalars(where := "models.arrivals.lognormal", median=median, log_sd=log_sd)
    with np.errstate(over="ignore"):
        draws = median * np.exp(log_sd * _generator(where, seed).standard_normal(_whole(where, count)))
    return numbers(where, draws=draws)[0]


def from_quantiles(levels: Share, values: Any, count: Count, seed: Any = 0) -> Draws:
    """`count` draws, of tokens or seconds, from quantiles: rising `values` at `levels` from 0 to 1, in logs between."""
    (values,) = numbers(where := "models.arrivals.from_quantiles", strict=True, values=np.atleast_1d(values))
    (levels,) = numbers(where, levels=np.atleast_1d(levels))
    rising = levels.shape == values.shape and (np.diff(levels) > 0).all() and (np.diff(values) >= 0).all()
    if not rising or levels[0] != 0 or levels[-1] != 1:
        raise WorkbenchError(where, "no table of quantiles", "give levels that rise from 0 to 1, and a value for each")
    return np.exp(np.interp(_generator(where, seed).random(_whole(where, count)), levels, np.log(values)))


def _scalars(where: str, **arguments: Any) -> list[Any]:
    found = numbers(where, strict=True, **arguments)
    if wrong := [name for name, value in zip(arguments, found, strict=True) if np.ndim(value)]:
        raise WorkbenchError(where, f"{wrong[0]} is an array", "give one number")
    return found


def _whole(where: str, count: Any) -> int:
    if (found := _scalars(where, count=count)[0]) % 1 or found > MOST:
        raise WorkbenchError(where, f"{count=} is out of range", f"give a whole number of at most {MOST:,}")
    return int(found)


def _generator(where: str, seed: Any) -> Any:
    try:
        return np.random.default_rng(-1 if seed is None else seed)  # None would differ each time
    except (TypeError, ValueError) as error:
        raise WorkbenchError(where, f"{seed=} is no seed", "give a whole number or a NumPy Generator") from error

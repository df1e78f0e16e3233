"""The closed vocabulary of units.

A unit is said once, here: formulas name it in their types, dataset rows name it by its text, the loader makes the
database type of it, and the tests run every formula with it.
"""

from typing import Annotated, Any, NamedTuple


class Unit(NamedTuple):
    """`expression` is for the unit checker (it reads a hyphen as minus), `text` is what rows and people read."""

    expression: str
    text: str


# A quantity is a float or a NumPy array of floats, with the axes (month, draw) where it has any.
Share = Annotated[Any, Unit("dimensionless", "share")]
SharePerMonth = Annotated[Any, Unit("dimensionless", "share/month")]  # months are counted, so the step has no dimension
Ratio = Annotated[Any, Unit("dimensionless", "x")]
Count = Annotated[Any, Unit("dimensionless", "count")]
MonthCount = Annotated[Any, Unit("dimensionless", "months")]  # the step of the models: an index or a count of months

Usd = Annotated[Any, Unit("USD", "USD")]
UsdPerMonth = Annotated[Any, Unit("USD/month", "USD/month")]
UsdPerHour = Annotated[Any, Unit("USD/hour", "USD/hour")]
UsdPerGpuHour = Annotated[Any, Unit("USD/(GPU*hour)", "USD/GPU-hour")]
UsdPerVcpuHour = Annotated[Any, Unit("USD/(vCPU*hour)", "USD/vCPU-hour")]
UsdPerGbHour = Annotated[Any, Unit("USD/(GB*hour)", "USD/GB-hour")]
UsdPerGb = Annotated[Any, Unit("USD/GB", "USD/GB")]
UsdPerGbMonth = Annotated[Any, Unit("USD/(GB*month)", "USD/GB-month")]
UsdPerGpu = Annotated[Any, Unit("USD/GPU", "USD/GPU")]
UsdPerGpuMonth = Annotated[Any, Unit("USD/(GPU*month)", "USD/GPU-month")]
UsdPerKwMonth = Annotated[Any, Unit("USD/(kW*month)", "USD/kW-month")]
UsdPerKwh = Annotated[Any, Unit("USD/(kW*hour)", "USD/kWh")]
UsdPerEngineerMonth = Annotated[Any, Unit("USD/(engineer*month)", "USD/engineer-month")]
UsdPerEngineerDay = Annotated[Any, Unit("USD/(engineer*day)", "USD/engineer-day")]
UsdPerMillionTokens = Annotated[Any, Unit("USD/megatoken", "USD/million tokens")]
UsdPerRequest = Annotated[Any, Unit("USD/request", "USD/request")]
UsdPerRun = Annotated[Any, Unit("USD/run", "USD/run")]

Seconds = Annotated[Any, Unit("second", "second")]
PerSecond = Annotated[Any, Unit("1/second", "1/second")]
GbPerSecond = Annotated[Any, Unit("GB/second", "GB/second")]
Tokens = Annotated[Any, Unit("token", "token")]
SecondsPerToken = Annotated[Any, Unit("second/token", "second/token")]
SecondsPerTokenPerToken = Annotated[Any, Unit("second/token**2", "second/token-token")]  # of an answer, of its context
TokensPerSecond = Annotated[Any, Unit("token/second", "token/second")]
TokensPerGpuSecond = Annotated[Any, Unit("token/(GPU*second)", "token/GPU-second")]
GbPerToken = Annotated[Any, Unit("GB/token", "GB/token")]
GbPerGpuSecond = Annotated[Any, Unit("GB/(GPU*second)", "GB/GPU-second")]
Hours = Annotated[Any, Unit("hour", "hour")]
Days = Annotated[Any, Unit("day", "day")]
Months = Annotated[Any, Unit("month", "month")]
DaysPerMonth = Annotated[Any, Unit("day/month", "day/month")]
HoursPerMonth = Annotated[Any, Unit("hour/month", "hour/month")]
PerMonth = Annotated[Any, Unit("1/month", "1/month")]
PerHour = Annotated[Any, Unit("1/hour", "1/hour")]

Gpus = Annotated[Any, Unit("GPU", "GPU")]
GpusPerInstance = Annotated[Any, Unit("GPU/instance", "GPU/instance")]
Instances = Annotated[Any, Unit("instance", "instance")]
GpuHours = Annotated[Any, Unit("GPU*hour", "GPU-hour")]
GpuHoursPerMonth = Annotated[Any, Unit("GPU*hour/month", "GPU-hour/month")]
GpuHoursPerRun = Annotated[Any, Unit("GPU*hour/run", "GPU-hour/run")]
GpuHoursPerRequest = Annotated[Any, Unit("GPU*hour/request", "GPU-hour/request")]
VcpusPerGpu = Annotated[Any, Unit("vCPU/GPU", "vCPU/GPU")]
KwPerGpu = Annotated[Any, Unit("kW/GPU", "kW/GPU")]
GbPerGpu = Annotated[Any, Unit("GB/GPU", "GB/GPU")]

TokensPerMonth = Annotated[Any, Unit("token/month", "token/month")]
TokensPerGpuHour = Annotated[Any, Unit("token/(GPU*hour)", "token/GPU-hour")]
RequestsPerMonth = Annotated[Any, Unit("request/month", "request/month")]
RunsPerMonth = Annotated[Any, Unit("run/month", "run/month")]

Gb = Annotated[Any, Unit("GB", "GB")]
GbPerMonth = Annotated[Any, Unit("GB/month", "GB/month")]
GbPerDay = Annotated[Any, Unit("GB/day", "GB/day")]
Engineers = Annotated[Any, Unit("engineer", "engineer")]
EngineerDays = Annotated[Any, Unit("engineer*day", "engineer-day")]
EngineersPerProvider = Annotated[Any, Unit("engineer/provider", "engineer/provider")]
Providers = Annotated[Any, Unit("provider", "provider")]

# Units of dataset rows that no formula takes as they stand: text -> (text of the unit it becomes on load, factor).
# GB is 2**30 bytes wherever a seller bills by it (AWS, Google, Azure and CoreWeave say so), so a cloud TB is 1024 GB.
_YEAR_HOURS = 365 * 24
HOUR_SECONDS = 3600.0
_DAY_SECONDS = 24 * HOUR_SECONDS
_GBIT = 1e9 / 8 / 2**30  # lines are sold in decimal bits, storage in binary bytes
CONVERTED: dict[str, tuple[str, float]] = {
    "GiB": ("GB", 1.0),
    "TB": ("GB", 1024.0),
    "TB/month": ("GB/month", 1024.0),
    "USD/GiB": ("USD/GB", 1.0),
    "USD/GiB-month": ("USD/GB-month", 1.0),
    "USD/GiB-hour": ("USD/GB-hour", 1.0),
    "USD/GB-second": ("USD/GB-hour", 3600.0),
    "USD/GiB-second": ("USD/GB-hour", 3600.0),
    "USD/vCPU-second": ("USD/vCPU-hour", 3600.0),
    "USD/chip-hour": ("USD/GPU-hour", 1.0),
    "1/GPU-year": ("1/GPU-hour", 1.0 / _YEAR_HOURS),
    "minute": ("second", 60.0),
    "millisecond": ("second", 0.001),
    "millisecond/token": ("second/token", 0.001),
    "millisecond/kilotoken": ("second/token", 1e-6),
    "millisecond/token-kilotoken": ("second/token-token", 1e-6),
    "byte/token": ("GB/token", 1.0 / 2**30),
    "Gbit/second": ("GB/day", _GBIT * _DAY_SECONDS),
}

# Units of rows that are evidence (supply, people, hardware) and enter a formula only through an assumption.
RECORDED = (
    "week", "weeks/month", "USD/week", "USD/engineer-year",
    "USD/instance-hour", "USD/core-hour", "USD million", "USD billion", "GBP million", "1/GPU-hour", "TFLOP/s", "GB/s",
    "MB/s", "W", "year", "months per operator", "lines", "FTE", "USD billion/year", "USD million/year",
    "count per month", "1/year",
)  # fmt: skip


def _aliases() -> dict[str, Unit]:
    found = (m for alias in globals().values() for m in getattr(alias, "__metadata__", ()) if isinstance(m, Unit))
    return {unit.text: unit for unit in found}


BY_TEXT: dict[str, Unit] = _aliases()
TEXTS: tuple[str, ...] = tuple(sorted({*BY_TEXT, *CONVERTED, *RECORDED}))

"""Where should this AI workload run? Cost, range, confidence, and what flips the answer, with a row behind each number.

    import workbench as wb
    scenario = wb.load("chat")
    decision = wb.decide(scenario)      # shows itself in Jupyter; decision.options is a polars frame

Everything is imported when it is first used, so that `import workbench` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.face import coldstart as coldstart
    from workbench.face import decide as decide
    from workbench.face import explore as explore
    from workbench.face import facts as facts
    from workbench.face import load as load
    from workbench.face import lockin as lockin
    from workbench.face import plan as plan
    from workbench.face import portfolio as portfolio
    from workbench.face import why as why
    from workbench.models.policies import Keda as Keda
    from workbench.models.policies import KeepAlive as KeepAlive
    from workbench.models.policies import Knative as Knative
    from workbench.models.policies import RayServe as RayServe
    from workbench.models.simulation import simulate as simulate
    from workbench.records import WorkbenchError as WorkbenchError

__version__ = "0.1.0"

_HOMES = {
    "load": "workbench.face", "decide": "workbench.face", "facts": "workbench.face", "explore": "workbench.face",
    "coldstart": "workbench.face", "lockin": "workbench.face", "portfolio": "workbench.face", "plan": "workbench.face",
    "why": "workbench.face", "simulate": "workbench.models.simulation",
    **dict.fromkeys(("KeepAlive", "Fixed", "Knative", "Keda", "RayServe", "Modal", "SageMaker", "HybridHistogram"),
                    "workbench.models.policies"),
    "WorkbenchError": "workbench.records", "Scenario": "workbench.records",
}  # fmt: skip
__all__ = [*sorted(_HOMES), "__version__"]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'workbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

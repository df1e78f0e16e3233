"""What a user waits for: commands from cold, and the parts of a decision; run by itself, it is the child of `parts`.

From cold is a new process whose modules were compiled before, as after a first run, which has a row of its own.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

TIMES = 7
WORKBENCH = str(Path(sys.executable).with_name("workbench"))
DECIDE = (WORKBENCH, "decide", "chat", "--json")
COMMANDS = (
    ("python -c pass", (sys.executable, "-c", "pass"), None),
    ("python -c 'import workbench'", (sys.executable, "-c", "import workbench"), 0.15),
    ("workbench --help", (WORKBENCH, "--help"), 0.25),
    ("workbench decide chat --json", DECIDE, 2.0),
    ("workbench check", (WORKBENCH, "check"), 2.0),
)


def environment(bytecode: str) -> dict[str, str]:
    """That of this process, but with bytecode, in a folder of this run."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {"PYTHONPYCACHEPREFIX": bytecode}


def commands(env):
    from timing import Row, child

    first = child(DECIDE, env)
    yield Row("workbench decide chat --json, the first time", first[:1], "s CPU", note="compiles what it imports")
    for what, command, limit in COMMANDS:
        cpu, wall = zip(*[child(command, env) for _ in range(TIMES + 1)][1:], strict=True)
        yield Row(what, cpu, "s CPU", limit, f"wall {min(wall):.2f} s")


def parts(env):
    """Every child times each part once; what it takes to end the process is in no part."""
    from timing import Row

    command = [sys.executable, __file__]
    taken = [json.loads(subprocess.run(command, capture_output=True, check=True, env=env).stdout) for _ in range(TIMES)]
    return [Row(part, [t[part] for t in taken]) for part in taken[0]]


def decide() -> None:
    laps = {"python itself": time.process_time()}

    def lap(part: str) -> None:
        laps[part] = time.process_time() - sum(laps.values())

    from workbench import face
    from workbench.decision import draws, offers
    from workbench.decision.answer import Decision
    from workbench.decision.study import study

    lap("imports")
    scenario = face.load("chat")
    facts = face.facts(scenario.as_of)
    lap("facts, and the scenario checked against them")
    options = [o for o in offers.options(facts, scenario) if o.feasible]
    lap("options")
    draws.draw(options, scenario.draws, scenario.seed)
    lap("draws")
    decision = Decision(study=study(facts, scenario), stamp=face.stamp(scenario, facts))
    lap("study, with its own options and draws")
    _ = decision.drivers
    lap("drivers")
    _ = decision.flips
    lap("flips")
    json.dumps(decision.as_dict())
    lap("JSON")
    print(json.dumps({part: seconds * 1000 for part, seconds in laps.items()}))


if __name__ == "__main__":
    decide()

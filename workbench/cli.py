"""The command line: thin glue. Every command has --help with an example, and --json for machines."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from workbench.records import SHOWN, InputProblems, WorkbenchError

if TYPE_CHECKING:
    from workbench.records import Scenario

EXAMPLES = """\
examples:
  workbench decide chat                     the answer for a shipped scenario
  workbench decide my.toml --json           the same for your own file, for a machine
  workbench coldstart chat                  how slow it is when it wakes, and the cheapest policy
  workbench lockin health                   what it would take to leave, and whether to wait
  workbench export knative chat             that policy as a file for the cluster
  workbench export skypilot tpu             the plan as a task to launch, in order, with price limits
  workbench portfolio tpu                   how much to commit to, and by when to order it
  workbench report chat                     the executive report, in reports/out/
  workbench check                           are the datasets, scenarios and notebooks sound?
"""

EXPORTS = ("knative", "keda", "ray", "modal", "skypilot", "record")


class _Parser(argparse.ArgumentParser):
    """Bad arguments become the same error object as bad files."""

    def error(self, message: str) -> NoReturn:
        raise WorkbenchError(self.prog, message, f"see {self.prog} --help")


def _day(text: str) -> date:
    if text == "today":
        return date.today()  # noqa: DTZ011 the day on the user's calendar; nothing else reads the clock
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day; write 2026-11-24 or today") from error


def _money(text: str) -> float:
    try:
        usd = float(text)
    except ValueError:
        usd = 0.0
    if not 0 < usd < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no amount; write USD above 0, like 2e6")
    return usd


def _column(text: str) -> tuple[str, str]:
    ours, equals, theirs = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} names no column; write arrival=its name in the file")
    return ours, theirs


def _asks(parser: argparse.ArgumentParser, **more: str) -> None:
    """What every question has: a scenario, the day on which it is asked, and a seed."""
    parser.add_argument("scenario", metavar="SCENARIO", help="a path, or the name of a shipped scenario", **more)  # type: ignore[arg-type]
    parser.add_argument("--as-of", type=_day, metavar="DAY", help="the day of the question (2026-11-24, today)")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of all that is drawn")


def _draws(parser: argparse.ArgumentParser) -> None:
    """What a question has that is answered over draws."""
    _asks(parser)
    parser.add_argument("--draws", type=int, metavar="N", help="number of draws")


def _traced(parser: argparse.ArgumentParser) -> None:
    """What a question has that recorded requests may answer."""
    recorded = "recorded requests (csv, jsonl, parquet), in place of those that the scenario describes"
    parser.add_argument("--trace", type=Path, metavar="FILE", help=recorded)
    column = "a column of the trace: arrival, tokens_in, tokens_out or service_s; also unit=ms"
    parser.add_argument("--column", type=_column, action="append", metavar="NAME=COLUMN", help=column)


_Command = Callable[[str, Callable[[argparse.Namespace], int], str, str], argparse.ArgumentParser]


def _parser() -> argparse.ArgumentParser:
    question = "Where should this AI workload run, at what cost, and how sure is that?"
    raw = argparse.RawDescriptionHelpFormatter
    parser = _Parser(prog="workbench", description=question, epilog=EXAMPLES, formatter_class=raw)
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Parser)

    def command(
        name: str, run: Callable[[argparse.Namespace], int], text: str, example: str
    ) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text, epilog=f"example: {example}")
        made.set_defaults(run=run)
        made.add_argument("--json", action="store_true", help="print one JSON object and nothing else on stdout")
        return made

    command("check", _check, "Validate datasets, scenarios and notebooks.", "workbench check --json")
    _questions(command)
    report = command("report", _report, "Render the executive report of one or more scenarios.",
                     "workbench report chat --out reports/out")  # fmt: skip
    report.add_argument("scenarios", metavar="SCENARIO", nargs="+", help="a path, or the name of a shipped scenario")
    report.add_argument("--format", default="html", choices=["html"], help="what to render")
    report.add_argument("--out", type=Path, metavar="DIR", help="where to (default: reports/out)")
    command("lab", _lab, "Start JupyterLab on the notebooks, on this machine only and with a token.", "workbench lab")
    return parser


def _questions(command: _Command) -> None:
    """The commands that answer one question about one scenario."""
    decide = command("decide", _decide, "The answer to a scenario: where to run, how much, how sure, what flips it.",
                     "workbench decide chat --as-of today --strict")  # fmt: skip
    _draws(decide)
    decide.add_argument("--strict", action="store_true", help="exclude prices that are stale on that day")
    decide.add_argument(
        "--simulated",
        action="store_true",
        help="the share of paid hours with work from the simulation of coldstart, not from rows",
    )
    decide.add_argument("--why", action="store_true", help="also what it hangs on, where it loses, and how bad it gets")
    decide.add_argument("--budget", type=_money, metavar="USD", help="with --why: how likely the cost exceeds it")
    waking = command("coldstart", _coldstart, "How slow a model is when it wakes, and the cheapest policy to mend it.",
                     "workbench coldstart chat")  # fmt: skip
    _asks(waking, nargs="?")
    _traced(waking)
    waking.add_argument("--policy", type=Path, metavar="FILE", help="one policy for a trace, in place of a scenario")
    lockin = command("lockin", _lockin, "What leaving costs today and later, and what being able to leave is worth.",
                     "workbench lockin health")  # fmt: skip
    _draws(lockin)
    export = command("export", _export, "The decision as a file: a policy for a cluster, or the plan to launch.",
                     "workbench export knative chat")  # fmt: skip
    export.add_argument("format", metavar="FORMAT", choices=EXPORTS, help=f"what to write: {' or '.join(EXPORTS)}")
    _asks(export)
    _traced(export)
    plan = command("portfolio", _portfolio, "The plan of least cost: what to commit to, of whom, and by when to order.",
                   "workbench portfolio tpu --json")  # fmt: skip
    _asks(plan)
    plan.add_argument("--risk", action="store_true", help="also what other commitments cost in futures (seconds)")
    plan.add_argument("--strict", action="store_true", help="exclude prices that are stale on that day")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 0 fine, 1 no decision or a failed report, 2 bad input."""
    # Before NumPy is imported: on small matrices a second thread of its linear algebra only spins. On a busy machine
    # that cost a second of CPU, for eight milliseconds of work.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = _parser().parse_args(arguments)
        if options.version:
            import workbench

            print(f"workbench {workbench.__version__}")
            return 0
        if not hasattr(options, "run"):
            _parser().print_help()
            return 0
        return int(options.run(options))
    except WorkbenchError as error:
        return _refuse(error, as_json="--json" in arguments)
    except (KeyboardInterrupt, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "interrupted" not in str(error):  # as DuckDB puts it
            raise
        print("interrupted: what was finished before is kept", file=sys.stderr)
        return 130
    except (BrokenPipeError, SystemExit) as end:
        if isinstance(end, SystemExit) and end.code != 1:  # with which rich ends where nobody reads on; --help has 0
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _refuse(error: WorkbenchError, *, as_json: bool) -> int:
    if as_json:
        _print_json({"error": error.as_dict()})
    problems = error.problems if isinstance(error, InputProblems) else (error,)
    for problem in problems if not as_json else ():
        print(f"{problem.where}: {problem.what}\n  -> {problem.remedy}".translate(SHOWN), file=sys.stderr)
    return error.status


def _print_json(thing: Any) -> None:
    print(json.dumps(thing, allow_nan=False, default=str))  # in ASCII: a file's name may be no Unicode


def _check(options: argparse.Namespace) -> int:
    from workbench import checkup

    found, warnings = checkup.everything()
    if options.json:
        listed = {"problems": [p.as_dict() for p in found], "warnings": [w.as_dict() for w in warnings]}
        _print_json({"ok": not found, **listed, **({"error": found[0].as_dict()} if found else {})})
    else:
        for problem in found:
            print(f"{problem.where}: {problem.what}\n  -> {problem.remedy}".translate(SHOWN))
        for warning in warnings:
            print(f"warning: {warning.where}: {warning.what}".translate(SHOWN))
        print("ok: datasets, scenarios and notebooks are sound" if not found else f"{len(found)} problems")
    return 0 if not found else 2


def _scenario(options: argparse.Namespace) -> "Scenario":
    from workbench import face

    _sound_seed(options)
    if not hasattr(options, "draws"):
        return face.changed(face.load(options.scenario), as_of=options.as_of, seed=options.seed)
    if options.draws is not None and not 2 <= options.draws <= 1 << 17:
        raise WorkbenchError("--draws", f"{options.draws} is out of range", f"give 2 to {1 << 17}")
    return face.changed(face.load(options.scenario), as_of=options.as_of, seed=options.seed, draws=options.draws)


def _sound_seed(options: argparse.Namespace) -> None:
    if options.seed is not None and options.seed < 0:
        raise WorkbenchError("--seed", f"{options.seed} is negative", "give 0 or more")


def _decide(options: argparse.Namespace) -> int:
    from workbench import face, terminal

    with terminal.progress("decide") as tell:
        decision = face.decide(_scenario(options), strict=options.strict, simulated=options.simulated, progress=tell)
    why = face.why(decision, budget=options.budget) if options.why or options.budget is not None else None
    if why:
        budget = "" if options.budget is None else f" --budget {options.budget!r}"
        decision = _asked_with(decision, f"--why{budget}")
    if options.json:
        _print_json(decision.as_dict() | ({"why": why.as_dict()} if why else {}))
    else:
        terminal.show(decision)
        if why:
            terminal.show_reasons(why)
    return 0


def _asked_with(found: Any, more: str) -> Any:
    """The result with one more option in the command that makes it again."""
    return replace(found, stamp={**found.stamp, "command": f"{found.stamp['command']} {more}"})


def _columns(options: argparse.Namespace) -> dict[str, str] | None:
    if options.column and options.trace is None:
        raise WorkbenchError("--column", "names a column of no trace", "add --trace FILE")
    return dict(options.column) if options.column else None


def _coldstart(options: argparse.Namespace) -> int:
    from workbench import face, terminal

    columns = _columns(options)
    if (options.scenario is None) == (options.policy is None) or (options.policy and not options.trace):
        what = "give a scenario, one with a trace, or a trace and a policy"
        raise WorkbenchError("workbench coldstart", what, "see workbench coldstart --help")
    with terminal.progress("coldstart") as tell:
        if options.policy:
            _sound_seed(options)
            found: Any = face.replay(options.trace, options.policy, seed=options.seed or 0, as_of=options.as_of,
                                     columns=columns)  # fmt: skip
        else:
            found = face.coldstart(_scenario(options), progress=tell, trace=options.trace, columns=columns)
    if options.json:
        _print_json(found.as_dict())
    else:
        terminal.show_waking(found)
    return 0


def _lockin(options: argparse.Namespace) -> int:
    from workbench import face

    found = face.lockin(_scenario(options))
    if options.json:
        _print_json(found.as_dict())
    else:
        from workbench import terminal

        terminal.show_leaving(found)
    return 0


def _export(options: argparse.Namespace) -> int:
    from workbench import terminal
    from workbench.export import formats

    with terminal.progress("export") as tell:
        made = formats.export(options.format, _scenario(options), progress=tell, trace=options.trace,
                              columns=_columns(options))  # fmt: skip
    if options.json:
        _print_json(made.as_dict())
    else:
        print(made.text, end="")
    return 0


def _portfolio(options: argparse.Namespace) -> int:
    from workbench import face, terminal_plan

    found = face.portfolio(_scenario(options), strict=options.strict)
    if options.risk:
        found = _asked_with(found, "--risk")
    if options.json:
        _print_json(found.as_dict() | ({"frontier": found.risks()} if options.risk else {}))
    else:
        terminal_plan.show(found, found.risks() if options.risk else ())
    return 0


def _report(options: argparse.Namespace) -> int:
    from workbench import report

    result = report.batch(options.scenarios, out=options.out, quiet=options.json)
    if options.json:
        _print_json(result)
    return 0 if all(r["status"] == "ok" for r in result["reports"]) else 1


def _lab(options: argparse.Namespace) -> int:  # noqa: RET503 where exec succeeds nothing returns
    from workbench import store

    home = store.folder().parent / "notebooks"
    arguments = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={home.parent}", "--ServerApp.ip=127.0.0.1",
                 "--LabApp.default_url=/lab/tree/notebooks"]  # fmt: skip
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--allow-root")  # as in a container; it still listens on this machine alone, with a token
    if options.json:
        _print_json({"command": arguments})
        return 0
    os.execv(sys.executable, arguments)

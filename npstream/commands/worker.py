"""`npstream worker`: run the agents."""

import asyncio

import click

from npstream import logs
from npstream.failures import explain
from npstream.invocation import pass_settings, run_async
from npstream.settings import Settings


@click.command("worker")
@click.option("--agents", metavar="NAME,...", help="Which agents to run (setting agents): intake, directory, ...")
@click.option("--http-port", type=int, metavar="PORT", help="Port of /metrics, /live and /ready; 0 takes a free one.")
@click.option("--processes", type=int, metavar="N", help="Run in so many processes, each on one core (setting processes).")
@click.option("--process", type=int, hidden=True, help="Which of the processes this is; given by the one that starts them.")
@click.option("--lifeline", type=int, hidden=True, help="The descriptor that ties it to that one.")
@pass_settings
def command(
    settings: Settings,
    agents: str | None,
    http_port: int | None,
    processes: int | None,
    process: int | None,
    lifeline: int | None,
) -> None:
    """Run the agents: responses in, scores and events out, until SIGTERM or Ctrl-C.

    It waits for a broker that is away. Wrong settings, missing topics and wrong partition counts stop it at once, in one line.
    Start as many workers, or processes of one, as there are partitions at most: they share the work, and take over from each
    other.
    """
    chosen = settings.override(agents=agents, http_port=http_port, processes=processes)
    logs.set_up(chosen.log_level, chosen.log_format, process)
    if lifeline is not None:
        _run_one_of_several(chosen, lifeline)
    elif chosen.processes > 1:
        from npstream.processes import run_processes

        asyncio.run(run_processes(chosen))
    else:
        from npstream.worker import run_worker

        run_async(chosen, run_worker(chosen))


def _run_one_of_several(settings: Settings, descriptor: int) -> None:
    """What keeps it from going on goes to the process that started it, and is printed there, once."""
    from npstream.lifeline import Lifeline
    from npstream.worker import run_worker

    lifeline = Lifeline(descriptor)
    try:
        run_async(settings, run_worker(settings, lifeline))
    except Exception as error:
        known = explain(error)
        if known is None:
            raise
        lifeline.farewell(*known)
        raise click.exceptions.Exit(known[1]) from error

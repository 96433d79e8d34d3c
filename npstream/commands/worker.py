"""`npstream worker`: run the agents."""

import click

from npstream import logs
from npstream.invocation import pass_settings, run_async
from npstream.settings import Settings


@click.command("worker")
@click.option("--agents", metavar="NAME,...", help="Which agents to run (setting agents): intake, scoring, rollups.")
@click.option("--http-port", type=int, metavar="PORT", help="Port of /metrics, /live and /ready; 0 takes a free one.")
@pass_settings
def command(settings: Settings, agents: str | None, http_port: int | None) -> None:
    """Run the agents: responses in, scores and events out, until SIGTERM or Ctrl-C.

    It waits for a broker that is away. Wrong settings, missing topics and wrong partition counts stop it at once, in one line.
    Start as many workers as there are partitions at most: they share the work, and take over from each other.
    """
    from npstream.worker import run_worker

    chosen = settings.override(agents=agents, http_port=http_port)
    logs.set_up(chosen.log_level, chosen.log_format)
    run_async(chosen, run_worker(chosen))

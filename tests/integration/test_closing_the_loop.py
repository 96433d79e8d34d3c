"""From a detractor's response to the end of the case, as docs/closing-the-loop.md tells it: a worker, npstream notify, a real
Alertmanager, a mail server, a receiver of webhooks, and the commands that people type."""

import json
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

from npstream.recount import home_of
from schemas import topics
from schemas.times import format_time
from tests.integration.alertmanager import Alertmanager, alertmanager
from tests.integration.cluster import PARTITIONS, Cluster
from tests.integration.notifiers import Notifier
from tests.integration.topics_reading import has_unread, read
from tests.integration.workers import Workers, command, until
from tests.integration.world import Sending, World
from tests.mail_server import Mailbox, mail_server_for_processes
from tests.receiver import Receiver, receiver

PATIENCE_S = 90.0
"""What is waited for takes seconds."""
RESPONDENT = "ines@acme.example"
CARE = """
[cases]
default_owner = "care@vendor.example"
[cases.raise]
tiers = ["gold"]
[first_touch]
enabled = true
company = "Vendor Inc."
delay_minutes = 0
from = "00:00"
to = "24:00"
send_by = "mail"
[[alerts.routes]]
name = "all"
sinks = ["crm", "am", "mail"]
kinds = ["case"]
what = ["opened", "recovered"]
group_wait_s = 0
group_interval_s = 0
"""


def sinks(crm: Receiver, am: Alertmanager, mail_port: int) -> str:
    return (
        f'[sinks.crm]\nkind = "webhook"\nurl = "{crm.url}"\nsecret = "{b64encode(b"of the test").decode()}"\n'
        f'[sinks.am]\nkind = "alertmanager"\nurl = "{am.url}"\n'
        f'[sinks.mail]\nkind = "email"\nhost = "127.0.0.1"\nport = {mail_port}\ntls = "none"\n'
        'sender = "npstream@vendor.example"\nto_owner = true\n'
    )


def said(number: int, score: int, comment: str) -> Sending:
    body = {"response_id": f"r-{number}", "account_id": "acme", "score": score, "respondent_id": RESPONDENT, "locale": "de"}
    body |= {"responded_at": format_time(int(time.time() * 1000)), "comment": comment}
    return Sending(topics.RAW, json.dumps(body).encode(), b"acme", headers=[("nps-source", b"canonical")])


def test_a_detractor_is_told_of_answered_written_to_recovered_and_forgotten(
    transactional: Cluster, tmp_path: Path, app_id: str
) -> None:
    bootstrap, mailbox = transactional.connection.bootstrap, Mailbox()
    with (
        receiver() as crm,
        alertmanager() as am,
        mail_server_for_processes(mailbox) as mail_port,
        Workers(bootstrap, app_id, tmp_path, partitions=PARTITIONS) as workers,
    ):
        care = tmp_path / "care.toml"
        care.write_text(CARE + sinks(crm, am, mail_port), encoding="utf-8")
        world = World(bootstrap, app_id, partitions=PARTITIONS)
        workers.start(care_file=care).wait_ready()
        with Notifier(bootstrap, app_id, care) as notifier:
            notifier.ready()

            def run(*arguments: str) -> Any:
                done = command(bootstrap, app_id, *arguments, settings={"partitions": PARTITIONS})
                assert done.returncode == 0, done.stderr
                return json.loads(done.stdout)

            facts = {"name": "Acme", "owner": "csm@vendor.example", "tier": "gold", "value": 48_000}
            world.send([Sending(topics.ACCOUNTS, json.dumps(facts).encode(), b"acme")])
            log, home = world.changelog("care"), home_of("acme", PARTITIONS)
            until(lambda: not has_unread(bootstrap, topics.ACCOUNTS, "cases", log, home), "the CRM is heard", PATIENCE_S, 0.3)
            world.send([said(1, 3, "Der Export ist langsam.")])

            # Told by webhook, by mail to the owner, and to Alertmanager; and written to.
            until(lambda: len(crm.taken) == 1 and len(am.alerts()) == 1 and len(mailbox.mails) == 2, "all is told", PATIENCE_S)
            (body,) = next(iter(crm.bodies.values()))
            (item,) = json.loads(body)["data"]["items"]
            assert (item["severity"], item["owner"], item["themes"]) == ("critical", "csm@vendor.example", ["performance"])
            assert am.alerts()[0]["labels"]["severity"] == "critical"
            to_owner, to_customer = sorted(mailbox.mails, key=lambda mail: RESPONDENT in str(mail["To"]))
            assert (to_owner["To"], to_customer["To"]) == ("csm@vendor.example", RESPONDENT)
            assert "Vendor Inc." in to_customer.get_content()

            # Commands, and one that is not possible.
            (case,) = run("cases", "list", "--json")["cases"]
            name = case["case_id"]
            assert (case["state"], case["respondent_id"]) == ("new", RESPONDENT)
            assert (
                run("cases", "acknowledge", name, "--by", "csm@vendor.example", "--json")["answer"]["case"]["state"]
                == "acknowledged"
            )
            assert (
                run("cases", "contact", name, "--by", "csm@vendor.example", "--json")["answer"]["case"]["state"] == "contacted"
            )
            refused = command(bootstrap, app_id, "cases", "reopen", name, "--by", "x", settings={"partitions": PARTITIONS})
            assert refused.returncode == 1
            assert "rejected" in refused.stderr
            assert "Traceback" not in refused.stderr

            # A better answer is a recovery: the case is closed, and Alertmanager has nothing any more.
            world.send([said(2, 9, "Viel besser.")])
            until(lambda: not am.alerts() and len(crm.taken) == 2, "its end is told", PATIENCE_S)
            assert run("cases", "list", "--json")["cases"] == []
            statistics = run("cases", "stats", "--json")
            assert json.dumps(statistics).count("recover") >= 1

            # And forgotten.
            erased = run("erase", "--respondent", RESPONDENT, "--account", "acme", "--yes", "--json")
            assert erased["not_erased"] == []
            assert sum(one["alive"] for one in erased["read_back"]) == 0
            assert notifier.terminate() == 0
    events = [json.loads(record.value or b"") for record in read(bootstrap, topics.CASE_EVENTS)]
    assert [one["event"] for one in events] == ["opened", "acknowledged", "contacted", "recovered"]

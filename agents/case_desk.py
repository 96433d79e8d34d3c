"""Where a batch or a tick takes the cases up that it has to do with, and puts them back."""

from agents.case_deadlines import Deadlines
from agents.case_journal import Journal
from agents.case_kept import KeptAccount, KeptCase
from agents.case_rules import CasesSettings
from agents.case_store import CaseStore, Last
from streams.processor import Outbox, State


class Desk:
    """The cases of one task while one batch or tick is made."""

    __slots__ = ("deadlines", "journal", "outbox", "settings", "store")

    def __init__(self, settings: CasesSettings, state: State, outbox: Outbox) -> None:
        self.settings = settings
        self.outbox = outbox
        self.store = CaseStore(state)
        self.journal = Journal(outbox)
        self.deadlines = Deadlines(settings, self.journal, outbox)

    def take(self, account_id: str, case_id: str, now: int) -> KeptCase | None:
        """A case as it stands at `now` in ms, with what is known of its account by now; None if there is none of this id."""
        account = account_id.encode()
        case = self.store.case(account, case_id)
        if case is not None and case.is_open:
            self.follow(case, self.store.account(account))
            self.deadlines.catch_up(case, now)
        return case

    def last(self, account_id: str, subject: bytes, now: int) -> tuple[KeptCase | None, Last | None]:
        """A subject's last case as it stands at `now` in ms, and which one it is."""
        last = self.store.last(subject)
        return (None, None) if last is None else (self.take(account_id, last.case_id, now), last)

    def follow(self, case: KeptCase, account: KeptAccount) -> bool:
        """What is known of its account comes to a case: so does the owner, unless somebody was chosen. Whether that is anything
        new."""
        owner = case.owner if case.held else self.settings.owner(account)
        if case.account == account and case.owner == owner:
            return False
        case.account, case.owner = account, owner
        return True

    def put_back(self) -> None:
        """Write the cases to which something has happened."""
        for case in self.journal.changed.values():
            self.store.save(case, self.deadlines.next_of(case))
        self.journal.changed.clear()

    def rearm(self, case: KeptCase) -> None:
        """Nothing was due for a case, although the index said so: the settings are others than when it was written."""
        kept = self.store.case(case.account_id.encode(), case.case_id)
        if kept is not None:
            self.store.save(kept, self.deadlines.next_of(kept))

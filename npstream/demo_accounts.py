"""Who answers in the demo: invented accounts with their plans, regions, moods and people, and what such people write."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, TypeVar

T = TypeVar("T")

FIRST_WORDS: Final = (
    "Alder", "Amber", "Birch", "Cobalt", "Copper", "Coral", "Delta", "Ember", "Falcon", "Harbour",
    "Juniper", "Larch", "Lumen", "Maple", "Meridian", "Nordic", "Orchard", "Quartz", "Summit", "Tidal",
)  # fmt: skip
SECOND_WORDS: Final = ("Bank", "Clinics", "Energy", "Foods", "Freight", "Games", "Hotels", "Insurance", "Media", "Robotics")
"""With the first words 200 names, none of which is to mean a real company."""

GIVEN_NAMES: Final = (
    "ada", "amir", "anna", "ben", "carla", "chen", "dana", "eli", "emre", "fatima", "felix", "grace", "hana", "ines", "ivan",
    "jonas", "kofi", "lena", "leo", "lucia", "maya", "mei", "nadia", "noah", "olga", "omar", "paula", "priya", "ravi", "sara",
    "sofia", "tariq", "theo", "yuki", "zoe",
)  # fmt: skip

PLANS: Final = {
    "starter": (20, 30, "smb"),
    "team": (35, 65, "smb"),
    "business": (30, 130, "mid-market"),
    "enterprise": (15, 240, "enterprise"),
}
"""Plan: its share of the accounts in percent, respondents of a typical account, the segment it is sold to."""
REGIONS: Final = {"emea": 45, "amer": 38, "apac": 17}
"""Region: its share of the accounts in percent."""
VENDORS: Final = {"canonical": 60, "delighted": 22, "typeform": 18}
"""Survey platform: its share of the accounts in percent."""
MOODS: Final = {0.0: 58, 1.4: 21, -1.4: 21}
"""How an account's mood moves in a year, in points of the score: its share of the accounts in percent."""

MEAN_SCORE: Final = 8.1
"""Centre of the scores of an ordinary account: with the spreads below the whole has an NPS of about 20, as in B2B software."""
ACCOUNT_SPREAD: Final = 0.9
PERSON_SPREAD: Final = 1.0
ANSWER_SPREAD: Final = 1.5
"""Standard deviations between accounts, between people of an account, and between answers of a person, in points."""
SIZE_SPREAD: Final = 0.35
"""Standard deviation of the logarithm of an account's size."""

COMMENT_SHARE: Final = {"detractor": 0.65, "passive": 0.35, "promoter": 0.4}
"""Who writes something: the angry more than the content."""

PARTS: Final = (
    "reporting", "search", "billing", "the API", "single sign-on", "the mobile app", "exporting", "onboarding", "scheduling",
    "the dashboard",
)  # fmt: skip
COMMENTS: Final = {
    "critical": (
        "We are looking at alternatives. {Part} has been broken for weeks and nobody calls back.",
        "Third outage this quarter, and again we heard about it from our own customers.",
        "Support closed my ticket without reading it. Twice.",
        "Paying more every year for less. {Part} is unusable since the last release.",
        "We lost half a day of data and got an automated apology.",
        "I cannot recommend this to anyone until {part} works.",
    ),
    "high": (
        "{Part} is far too slow for a team of our size.",
        "The price increase was not announced and is hard to explain to my boss.",
        "Every update moves things around. My people have stopped asking for training.",
        "It took nine days to get an answer about {part}.",
        "Too many clicks for simple things, and {part} still times out on Mondays.",
        "Promised for spring, still not there: {part}.",
    ),
    "elevated": (
        "It does the job, but {part} feels unfinished.",
        "Good idea, but we work around {part} more than we would like.",
        "Fine for small projects. With ours it gets slow.",
        "The documentation of {part} does not match what it does.",
        "Support is friendly but rarely solves it the first time.",
    ),
    "passive": (
        "Solid. {Part} could be faster.",
        "Does what we bought it for.",
        "Better than last year. I would like more filters in {part}.",
        "No complaints, though {part} takes some getting used to.",
        "Good value, a bit plain.",
    ),
    "promoter": (
        "{Part} saves my team hours every week.",
        "Support answered within ten minutes, on a Sunday.",
        "The migration was painless. I have told two other companies about it.",
        "Everybody here learned it in a day.",
        "The new version of {part} is excellent, thank you.",
        "You listen. Three of our wishes were in the last release.",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Account:
    """One account of the demo."""

    account_id: str
    plan: str
    segment: str
    region: str
    vendor: str
    """The survey platform that it answers on."""
    mood: float
    """Points above or below an ordinary account in the middle of the year."""
    drift: float
    """Points that the mood moves in a year."""
    people: tuple[tuple[str, float], ...]
    """Respondents by e-mail address, and how much friendlier than their account each is, in points."""

    @property
    def segments(self) -> dict[str, str]:
        """Segments of its responses."""
        return {"plan": self.plan, "region": self.region, "segment": self.segment}

    def score(self, rng: Random, leaning: float, year: float) -> int:
        """An answer of someone who leans so, at a time between -1 (a year ago) and 0 (now)."""
        mean = MEAN_SCORE + self.mood + self.drift * (year + 0.5) + leaning
        return max(0, min(10, round(rng.gauss(mean, ANSWER_SPREAD))))


def make_accounts(seed: int) -> list[Account]:
    """The 200 accounts of a seed."""
    rng = Random(f"accounts {seed}")
    return [_account(rng, f"{first}-{second}".lower()) for first in FIRST_WORDS for second in SECOND_WORDS]


def make_comment(rng: Random, score: int) -> str | None:
    """What someone who gives this score may write, or nothing."""
    category = "detractor" if score <= 6 else "passive" if score <= 8 else "promoter"
    if rng.random() >= COMMENT_SHARE[category]:
        return None
    return some_comment(rng, score)


def some_comment(rng: Random, score: int) -> str:
    """What someone who gives this score would write."""
    kinds = ("critical",) * 3 + ("high",) * 2 + ("elevated",) * 2 + ("passive",) * 2 + ("promoter",) * 2
    part = rng.choice(PARTS)
    return rng.choice(COMMENTS[kinds[score]]).format(part=part, Part=part[0].upper() + part[1:])


def _account(rng: Random, account_id: str) -> Account:
    plan = _pick(rng, {name: share for name, (share, _, _) in PLANS.items()})
    _, size, segment = PLANS[plan]
    count = max(3, round(size * math.exp(rng.gauss(0, SIZE_SPREAD))))
    names = [f"{rng.choice(GIVEN_NAMES)}.{number:03d}@{account_id}.example" for number in range(count)]
    return Account(
        account_id,
        plan,
        segment,
        region=_pick(rng, REGIONS),
        vendor=_pick(rng, VENDORS),
        mood=rng.gauss(0, ACCOUNT_SPREAD),
        drift=_pick(rng, MOODS) + rng.gauss(0, 0.2),
        people=tuple((name, rng.gauss(0, PERSON_SPREAD)) for name in names),
    )


def _pick(rng: Random, shares: dict[T, int]) -> T:
    choices: Sequence[T] = list(shares)
    return rng.choices(choices, list(shares.values()))[0]

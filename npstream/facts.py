"""What the agents count, declared for Prometheus. No account and no respondent is ever a label; a source is an adapter's name
or `other`."""

from streams.metrics import Fact, Kind

PREFIX = "npstream_"
"""Before the name of every metric."""

FACTS = (
    Fact("adapted", Kind.COUNTER, "Responses that an adapter read, by adapter", ("source",)),
    Fact("responses", Kind.COUNTER, "Accepted responses, by category and source", ("category", "source")),
    Fact("duplicates", Kind.COUNTER, "Responses that came again with the same content"),
    Fact("corrections", Kind.COUNTER, "Responses that came again with other content"),
    Fact("retractions", Kind.COUNTER, "Responses that were taken back"),
    Fact("late", Kind.COUNTER, "Responses older than their respondent's present one"),
    Fact("expired", Kind.COUNTER, "Responses older than the history, counted nowhere else"),
    Fact("strays", Kind.COUNTER, "Responses that arrived at another partition than their account's and were sent home"),
    Fact("erasures", Kind.COUNTER, "Respondents erased, by what became of their counts", ("counts",)),
    Fact("erased", Kind.COUNTER, "Responses dropped because their respondent is erased"),
    Fact("incomplete", Kind.COUNTER, "Payloads that carry ids alone, passed on to be fetched, by source", ("source",)),
    Fact("account_facts", Kind.COUNTER, "Records of nps.accounts taken over, by what they did", ("change",)),
    Fact("dead_letters", Kind.COUNTER, "Records that could not be used, by reason", ("reason",)),
    Fact("category_changes", Kind.COUNTER, "Changes of a respondent's present category", ("from", "to")),
    Fact("detractors", Kind.COUNTER, "Detractor events, by severity", ("severity",)),
    Fact("promoters", Kind.COUNTER, "Promoter events"),
    Fact("segment_nps", Kind.GAUGE, "NPS of a segment over the headline window", ("dimension", "value")),
)

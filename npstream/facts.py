"""What the agents count, declared for Prometheus. No account and no respondent is ever a label; a source is an adapter's name
or `other`."""

from streams.metrics import Fact, Kind

PREFIX = "npstream_"
"""Before the name of every metric."""

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
CASE_SECONDS = (
    5 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    4 * HOUR,
    8 * HOUR,
    DAY,
    2 * DAY,
    4 * DAY,
    7 * DAY,
    14 * DAY,
    30 * DAY,
)
"""Buckets of what people take: from at once to a month; due times lie in between."""
OUTREACH_SECONDS = (MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 4 * HOUR, 12 * HOUR, DAY)
"""Buckets of what first messages take: their delay, and a night."""

FACTS = (
    Fact("adapted", Kind.COUNTER, "Responses that an adapter read, by adapter", ("source",)),
    Fact("responses", Kind.COUNTER, "Accepted responses, by category and source", ("category", "source")),
    Fact("duplicates", Kind.COUNTER, "Responses that came again with the same content"),
    Fact("corrections", Kind.COUNTER, "Responses that came again with other content"),
    Fact("retractions", Kind.COUNTER, "Responses that were taken back"),
    Fact("late", Kind.COUNTER, "Responses older than their respondent's present one"),
    Fact("expired", Kind.COUNTER, "Responses older than the history, counted nowhere else"),
    Fact("strays", Kind.COUNTER, "Records that arrived at another partition than their account's and were sent home"),
    Fact("erasures", Kind.COUNTER, "Respondents erased, by what became of their counts", ("counts",)),
    Fact("erased", Kind.COUNTER, "Responses dropped because their respondent is erased"),
    Fact("incomplete", Kind.COUNTER, "Payloads that carry ids alone, passed on to be fetched, by source", ("source",)),
    Fact("account_facts", Kind.COUNTER, "Records of nps.accounts taken over, by what they did", ("change",)),
    Fact("dead_letters", Kind.COUNTER, "Records that could not be used, by reason", ("reason",)),
    Fact("category_changes", Kind.COUNTER, "Changes of a respondent's present category", ("from", "to")),
    Fact("detractors", Kind.COUNTER, "Detractor events, by severity", ("severity",)),
    Fact("promoters", Kind.COUNTER, "Promoter events"),
    Fact("segment_nps", Kind.GAUGE, "NPS of a segment over the headline window", ("dimension", "value")),
    Fact("cases_opened", Kind.COUNTER, "Cases opened, by severity", ("severity",)),
    Fact("cases_closed", Kind.COUNTER, "Cases closed, by how: resolved, recovered, expired, withdrawn", ("how",)),
    Fact("cases_open", Kind.GAUGE, "Open cases of a partition, by severity and state", ("partition", "severity", "state")),
    Fact("cases_oldest_timestamp_seconds", Kind.GAUGE, "When the oldest open case of a partition was opened", ("partition",)),
    Fact(
        "case_first_response_seconds",
        Kind.HISTOGRAM,
        "From the beginning of a case to the first word to the customer",
        ("severity",),
        CASE_SECONDS,
    ),
    Fact(
        "case_resolution_seconds",
        Kind.HISTOGRAM,
        "From the beginning of a case to its resolution by somebody",
        ("severity",),
        CASE_SECONDS,
    ),
    Fact("case_breaches", Kind.COUNTER, "Due times that passed, by which and by severity", ("due", "severity")),
    Fact("case_escalations", Kind.COUNTER, "Steps taken in the chain of owners"),
    Fact(
        "case_commands",
        Kind.COUNTER,
        "Commands about cases, by what became of them: applied, repeated, rejected",
        ("command", "outcome"),
    ),
    Fact("recoveries", Kind.COUNTER, "Recoveries credited to a case, open or closed, by its severity", ("severity", "case")),
    Fact("comments", Kind.COUNTER, "Comments analysed, by how they sound", ("tone",)),
    Fact("comment_themes", Kind.COUNTER, "Mentions of themes in comments", ("theme",)),
    Fact("account_alerts", Kind.COUNTER, "Accounts found at risk, by the sign", ("kind", "severity")),
    Fact("risk_unreadable", Kind.COUNTER, "Records of npstream's own topics that the agent risk cannot read"),
    Fact("alerts", Kind.COUNTER, "Deliveries decided on, by sink and severity", ("sink", "severity")),
    Fact("alert_refreshes", Kind.COUNTER, "Deliveries that repeat what a sink forgets", ("sink",)),
    Fact("alert_items", Kind.COUNTER, "What was to be told, by what became of it", ("kind", "outcome")),
    Fact(
        "alerts_unreadable",
        Kind.COUNTER,
        "Records of nps.case.events and nps.account.alerts that cannot be read, or are not at their account's partition",
    ),
    Fact("outreach", Kind.COUNTER, "First messages: sent, or why not", ("outcome",)),
    Fact("outreach_delay_seconds", Kind.HISTOGRAM, "From a case's opening to the first message", (), OUTREACH_SECONDS),
    Fact(
        "outreach_template_errors",
        Kind.COUNTER,
        "Templates of one's own that failed for a case: the shipped message was sent",
        ("template",),
    ),
)

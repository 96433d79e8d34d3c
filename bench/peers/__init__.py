"""What npstream is compared with: the same events and tables, written as one would without it.

Every peer does the same work, at least once, in one process with one worker thread:
1. Decode the response, classify its score: 0-6 detractor, 7-8 passive, 9-10 promoter.
2. Per respondent, recoverable: the last category and score. Another category than before is a change event, a first one none.
3. Per account, recoverable: promoters, passives and detractors by UTC day, for the last 90 days of event time.
4. A detractor event for each detractor.

There are no windows, no history, no corrections, no duplicates, no segments, no dead letters: a part of what npstream does with
each response. What a peer is told, and what it tells, is in `telling`.
"""

"""`npstream fetch`: asks vendors for the responses of which their webhooks say no more than the ids.

fetcher.py      the loop: from nps.responses.incomplete back to nps.responses.raw
vendor_api.py   one vendor's API: its secret, its rate, and what its refusals mean
metrics.py      what an operator sees
"""

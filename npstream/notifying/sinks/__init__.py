"""How each kind of sink is spoken to: a module for each, which makes of an order what the sink expects.

Those over HTTP make a request and leave the sending, and what the status means, to http.py. registry.py knows them all.
"""

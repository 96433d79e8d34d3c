"""What npstream is compared with: the same events and tables, written as one would without it."""

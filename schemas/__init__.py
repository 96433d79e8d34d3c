"""What travels: typed events, codec, vendor payloads, the published contract."""

"""Where it starts: settings, CLI, web. The only place that wires the other three together."""

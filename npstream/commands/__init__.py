"""One module a command, each with a click command named `command`; `npstream.cli` imports the one that is used."""

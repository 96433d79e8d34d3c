"""`python -m npstream`: the same as the command npstream."""

from npstream.cli import main

main()

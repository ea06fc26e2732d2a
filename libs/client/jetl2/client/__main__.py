"""`python -m jetl2.client` is the jetl2 command."""

from jetl2.client.cli import main

main()

"""`python -m archsearch.cli`."""

from archsearch.cli.main import main

main()

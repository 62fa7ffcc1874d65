"""`python -m nacre` is the command `nacre`."""

from nacre.cli.main import main

main()

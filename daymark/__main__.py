"""`python -m daymark`."""

from daymark.cli import main

main()

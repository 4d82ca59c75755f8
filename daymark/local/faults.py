"""The one error of this package: something a person has to put right, said in one line."""

import click


class LocalFault(click.ClickException):
    """A local part cannot be had or does not start; the message says what to do."""

"""`daymark completion`: what a shell needs to complete commands and options."""

import click
from click.shell_completion import get_completion_class


@click.command(short_help="Print the completion script of bash, zsh or fish.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the completion script of bash, zsh or fish.

    \b
    bash: daymark completion bash > ~/.local/share/bash-completion/completions/daymark
    zsh:  daymark completion zsh > a folder of $fpath/_daymark
    fish: daymark completion fish > ~/.config/fish/completions/daymark.fish
    """  # noqa: D301  click's mark
    if kind := get_completion_class(shell):
        click.echo(kind(context.find_root().command, {}, "daymark", "_DAYMARK_COMPLETE").source())

"""The `scim` command: assembles its groups and commands."""

import click

from scim import __version__
from scim.commands.cosmos import cosmos
from scim.commands.customer import customer
from scim.commands.doctor import doctor
from scim.commands.groups import MainGroup
from scim.commands.reindex import reindex
from scim.commands.serve import serve
from scim.commands.token import token


@click.group(name="scim", cls=MainGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="scim", message="%(prog)s %(version)s")
def main() -> None:
    """Run and manage a SCIM service on Azure Functions.

    Results go to standard output, messages to standard error. Exit codes: 0 success, 1 failure or refused confirmation,
    2 wrong usage or no terminal to confirm on, 3 not found, 4 the store can't be opened or reached, 130 interrupted
    ('serve': 0). 'doctor' has its own codes.
    """


for command in (cosmos, customer, doctor, reindex, serve, token):
    main.add_command(command)

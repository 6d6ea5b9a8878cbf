"""Publish the models that an alias of the registry names: a bundle, and a pointer to run it by."""

import re

from cli.arguments import Parser, not_allowed
from cli.program import program
from lifecycle.errors import LifecycleError
from lifecycle.publication import publish_alias
from lifecycle.registry import Registry
from scripts.champion_options import add_publish_option, publication
from streaming import StreamingError


@program(LifecycleError, StreamingError)
def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = Parser(description=__doc__)
    parser.add_argument("alias", type=_alias, metavar="ALIAS", help="such as challenger")
    add_publish_option(parser)
    options = parser.parse_args(arguments)
    pointer, name = publish_alias(Registry(), publication(options), options.alias)
    print(f"@{options.alias} is {pointer.version}: {options.publish}/{name}")
    return 0


def _alias(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", text):
        raise not_allowed(text, "lower-case letters, digits and any of _-, such as challenger")
    return text

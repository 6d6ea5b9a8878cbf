"""List the registered versions of each target's model: aliases, months, metrics, what serves."""

import sys

from rich.console import Console

from cli.arguments import Parser
from cli.program import program
from lifecycle.errors import LifecycleError
from lifecycle.registry import CHAMPION, MODELS, Registry, bundle_version
from lifecycle.registry_tables import models_table
from scripts.champion_options import add_publish_option, publication
from streaming import StreamingError


@program(LifecycleError, StreamingError)
def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--audit", action="store_true", help="also print each version's audit log, a line an entry"
    )
    add_publish_option(parser)
    options = parser.parse_args(arguments)
    served, registry = publication(options).served(), Registry()
    console = Console(file=sys.stdout)
    for target in MODELS:
        versions = registry.versions(target)
        console.print(models_table(target, versions))
        for version in versions if options.audit else ():
            for at, entry in registry.audit_log(target, version.version):
                print(f"{target} {version.version} {at} {entry}")
    champion = bundle_version(registry.aliased(CHAMPION))
    print(f"{options.publish} serves {served or 'nothing'}")
    if champion != (served or ""):
        print(f"The champion is {champion or 'none'}: `make promote` publishes it")
    return 0

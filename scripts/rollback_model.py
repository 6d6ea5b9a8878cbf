"""Make the former champion the champion again, in the registry and where functions read it."""

from cli.arguments import Parser
from cli.program import program
from lifecycle.errors import LifecycleError
from lifecycle.promotion import roll_back
from lifecycle.publication import POINTER
from lifecycle.registry import Registry
from scripts.champion_options import add_champion_options, author, publication
from streaming import StreamingError


@program(LifecycleError, StreamingError)
def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    parser = Parser(description=__doc__)
    add_champion_options(parser)
    options = parser.parse_args(arguments)
    published = publication(options)
    outcome = roll_back(Registry(), published, author(options))
    for decision in outcome.decisions:
        print(
            f"{decision.target} version {decision.candidate} is the champion again, "
            f"instead of version {decision.champion}"
        )
    if not outcome.decisions:
        print("The former champion is the champion already; only the pointer was checked.")
    print(f"{outcome.served} serves: MODEL_LOCATION={options.publish}/{POINTER}")
    return 0

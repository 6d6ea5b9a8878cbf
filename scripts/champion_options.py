"""The options of the programs that move the champion."""

import argparse
import getpass
import os
from functools import partial

from cli.arguments import Parser, location
from lifecycle.promotion import Author
from lifecycle.publication import Publication
from streaming import aws_client

PUBLISHED = "build/models-live"


def add_publish_option(parser: Parser) -> None:
    """Add the option that says where bundles and the pointer are published."""
    parser.add_argument(
        "--publish",
        default=PUBLISHED,
        metavar="FOLDER|s3://BUCKET/PREFIX",
        help="where bundles and champion.json are published (default: %(default)s)",
    )


def add_champion_options(parser: Parser) -> None:
    """Add the options of a promotion and of a rollback."""
    add_publish_option(parser)
    parser.add_argument("--why", default="", metavar="TEXT", help="for the audit log")


def publication(options: argparse.Namespace) -> Publication:
    """Return the place that the options name."""
    options.publish = options.publish.rstrip("/")
    return Publication(location(options.publish), partial(aws_client, "s3"))


def author(options: argparse.Namespace) -> Author:
    """Return who runs this program."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        name = f"user {os.getuid()}"
    return Author(name, options.why)

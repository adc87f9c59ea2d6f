"""What every command shares: its options, and how it says that it was not done."""

import argparse
from collections.abc import Callable
from pathlib import Path

from imtornado.config import Config

DEFAULT_FILE = Path("config.ini")

Command = Callable[[Config, argparse.Namespace], None]


class Refusal(Exception):
    """Why a command was not done, in a sentence for its caller."""


def add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, command: Command, meaning: str
) -> argparse.ArgumentParser:
    """A command with the options that all of them take."""
    parser = commands.add_parser(name, help=meaning, description=f"{meaning[0].upper()}{meaning[1:]}.")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help=f"settings file (default: {DEFAULT_FILE}, if it is here)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="a setting, such as server.port=8082"
    )
    parser.set_defaults(command=command)
    return parser

"""The options of `rafce-train run`, made from the fields of the trainer's configuration: defaults are typed once."""

from collections.abc import Callable
from dataclasses import Field
from typing import Any, TypeVar, get_type_hints

import click

from rafce_train.config import Config, Option, flag, options

Command = TypeVar("Command", bound=Callable[..., Any])
OTHERS = "Run"


class ConfigOption(click.Option):
    """An option with the heading that it stands under in the help."""

    def __init__(self, *args: Any, heading: str, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.heading = heading


class GroupedCommand(click.Command):
    """A command whose help shows its options under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section for each heading, in the order in which they first occur; the command's own come first."""
        sections: dict[str, list[tuple[str, str]]] = {OTHERS: []}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                sections.setdefault(getattr(parameter, "heading", OTHERS), []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def config_options(*without: str) -> Callable[[Command], Command]:
    """A decorator that adds an option for every field of `Config` but those named; what is not given is None."""

    def add(command: Command) -> Command:
        kinds = get_type_hints(Config)
        for name, (item, limits) in reversed(options().items()):
            if name not in without:
                command = _click_option(item, limits, kinds[name])(command)
        return command

    return add


def _click_option(item: "Field[Any]", limits: Option, kind: Any) -> Callable[[Command], Command]:
    name, is_list = flag(item.name), kind == tuple[float, ...]
    return click.option(
        f"{name}/--no-{name[2:]}" if kind is bool else name,
        item.name,
        cls=ConfigOption,
        heading=limits.group,
        type=click.Choice(limits.choices) if limits.choices else str if is_list else kind,
        callback=_numbers if is_list else None,
        default=None,
        metavar="NUMBER[,NUMBER…]" if is_list else limits.metavar,
        help=limits.help if item.default == "" else f"{limits.help}  [default: {_shown(item.default)}]",
    )


def _numbers(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    """A tuple from numbers with commas between them."""
    try:
        return None if value is None else tuple(float(item) for item in value.split(","))
    except ValueError:
        raise click.BadParameter(
            f"expected numbers with commas between them, found {value!r}", ctx, param
        ) from None


def _shown(default: Any) -> str:
    """A default as one would type it."""
    if isinstance(default, bool):
        return "yes" if default else "no"
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return str(default)

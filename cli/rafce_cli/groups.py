"""Command groups that start fast and fail well: lazy commands, one clear line for a user's error, exit code 2."""

import _thread
import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from keyword import iskeyword
from typing import Any

import click

CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
INTERRUPTED = 130
TERMINATED = 143
AGAIN = 0.05  # seconds
MAX_QUOTED = 200
UNPRINTED = (errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT, errno.EBADF)


class UserError(click.ClickException):
    """A fault the user can put right: its text alone on standard error, exit code 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Print the message behind `error:`, at most twenty lines of it."""
        from rafce.foreign_text import brief, shown

        error = click.style("error: ", fg="red", bold=True)
        click.echo(error + brief(shown(self.message)), file=file, err=True)


class LazyGroup(click.Group):
    """A group whose commands live in modules of their own name (`import_` for import); listing them imports none."""

    def __init__(self, package: str, summaries: Mapping[str, str], guard: Callable[[], None], **kwargs: Any):
        super().__init__(**kwargs)
        self.package, self.summaries, self.guard = package, summaries, guard

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """The commands in the order in which a user meets them."""
        return list(self.summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command's module, after the guard has had its say."""
        if cmd_name not in self.summaries:
            return None
        self.guard()
        name = cmd_name.replace("-", "_") + "_" * iskeyword(cmd_name)
        command: click.Command = getattr(import_module(f"{self.package}.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The summaries, without an import."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run as a program: exit with 2 where what is to be seen cannot be printed."""
        run: Callable[..., Any] = super().main
        if not standalone_mode:
            return run(*args, standalone_mode=False, **extra)
        try:
            _prepare_streams()
            code = run(*args, standalone_mode=False, **extra)
            with _printing():
                sys.stdout.flush()
        except click.ClickException as error:
            _show(error)
            code = error.exit_code
        except click.Abort:
            code = 1
        sys.exit(code if isinstance(code, int) else 0)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the command line; `--help` and `--version` print here."""
        with _printing():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn what went wrong into one message and an exit code."""
        _clean_up_when_terminated()
        try:
            with _printing(), _interrupts_insist():
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            raise _explained(error) from None


def _prepare_streams() -> None:
    """Print any text in any locale; UserError where there is no standard output.

    A descriptor that was closed leads nowhere from now on: the next file to be opened would get its number, and what
    any library prints.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        raise UserError("standard output is closed; > /dev/null prints nothing")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _printing() -> Iterator[None]:
    """UserError where standard output cannot be written: all else that is written or read has a name."""
    try:
        yield
    except OSError as error:
        if error.filename or error.errno not in UNPRINTED:
            raise
        reason = "nobody reads it" if error.errno == errno.EPIPE else error.strerror
        _lose_output()
        raise UserError(f"standard output: cannot be written: {reason}") from None


def _lose_output() -> None:
    """Lead what is still to be printed nowhere: Python prints it at its end, and would end with a code of its own."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _show(error: click.ClickException) -> None:
    """Print an error on standard error, whatever it quotes."""
    from rafce.foreign_text import brief, shown

    with suppress(OSError):  # nobody is there to be told
        if isinstance(error, UserError):
            error.show()
            return
        text = io.StringIO()
        error.show(text)
        click.echo(brief(shown(text.getvalue().rstrip("\n"))), err=True)


@contextmanager
def _interrupts_insist() -> Iterator[None]:
    """Let Ctrl-C come again where it came in code whose errors Python ignores, such as a finalizer."""
    ignored = sys.unraisablehook

    def hook(lost: Any) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            ignored(lost)
            return
        again = threading.Timer(AGAIN, _thread.interrupt_main)
        again.daemon = True
        again.start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = ignored


def _clean_up_when_terminated() -> None:
    """End on SIGTERM as on Ctrl-C, so that what was half-written goes; a command may still do otherwise."""
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))


def _explained(error: Exception) -> click.ClickException:
    from rafce.errors import RafceError

    if isinstance(error, RafceError):
        return UserError(str(error))
    if isinstance(error, OSError) and error.filename:
        return UserError(f"{os.fsdecode(error.filename)}: {error.strerror}")
    if isinstance(error, UnicodeEncodeError):
        return UserError(f"expected a name in UTF-8, found {error.object[:MAX_QUOTED]!r}")
    name = type(error).__name__
    return click.ClickException(
        f"unexpected {name}: {error}\n(run again with --debug before the command to see where)"
    )


def lazy_group(
    name: str,
    package: str,
    commands: Mapping[str, str],
    help_text: str,
    context_settings: Mapping[str, Any],
    guard: Callable[[], None] = lambda: None,
) -> LazyGroup:
    """A group of lazily imported commands with --version and --debug."""

    @click.option("--debug", is_flag=True, help="Show a traceback when something unexpected happens.")
    @click.version_option(message="%(prog)s %(version)s", prog_name=name, package_name="rafce")
    def start(debug: bool) -> None:
        del debug  # read from the context by LazyGroup.invoke

    start.__doc__ = help_text
    group = click.group(
        name=name,
        cls=LazyGroup,
        package=package,
        summaries=commands,
        guard=guard,
        context_settings=dict(context_settings),
    )(start)
    assert isinstance(group, LazyGroup)
    return group

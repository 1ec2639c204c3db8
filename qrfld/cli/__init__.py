"""The command line, `qrfl`: what a person or a script says to a node.

Theory of operation. `app` holds the tree of commands and the one place where an error becomes an
exit code. A command is a small function: it reads its arguments, asks the daemon through the
control socket (or, for a node that does not run, `qrfld.api`), and hands `session.Session.show` a
map and its text; which of the two is printed depends on ``--json``. Nothing here knows the daemon's
inside.

- Data goes to standard output, everything else to standard error.
- Text from other nodes passes `text.printable` before a terminal sees it.
- ``qrfl --help`` and ``qrfl status`` start without numpy, asyncio or rich: modules that need those
  are imported inside the function that uses them.
- `following` and `watching` show what moves; `demo` types what a user would type, on many nodes.
"""

from __future__ import annotations


def main() -> None:
    """Run `qrfl` with the arguments of this process and exit."""
    import sys

    from qrfld.cli.app import run

    sys.exit(run(sys.argv[1:]))

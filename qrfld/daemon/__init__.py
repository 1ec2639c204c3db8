"""The daemon: one node, assembled, started, served and stopped.

`node` puts the rooms together; `methods` is what the control socket offers; `process` is the
``qrfld`` command: arguments, signals, logging, systemd, exit codes.
"""

from qrfld.daemon.process import main

__all__ = ["main"]

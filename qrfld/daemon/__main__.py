"""``python -m qrfld.daemon``: the daemon, whatever the PATH is."""

import sys

from qrfld.daemon.process import main

sys.exit(main())

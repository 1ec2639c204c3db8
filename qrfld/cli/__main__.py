"""``python -m qrfld.cli`` is `qrfl`."""

from qrfld.cli import main

main()

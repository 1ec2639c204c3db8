"""``python -m qrfld.cli`` is `qrfl`."""

from qrfld.cli import main

# A second process of `qrfl bench` imports this module, under another name.
if __name__ == "__main__":
    main()

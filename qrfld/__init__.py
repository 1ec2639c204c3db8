"""qrfld: peer-to-peer federated learning with post-quantum sessions and robust aggregation."""

__version__ = "0.1.0"

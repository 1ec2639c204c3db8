"""The catalogue, area by area: each module holds ``CASES``, each case one rule of the protocol."""

"""Write the data of the task `digits` as lines `p1,…,p64,label` to standard output.

pip install scikit-learn; python export_digits.py > digits.csv
"""

from __future__ import annotations

import sys

from sklearn.datasets import load_digits


def main() -> None:
    """Print all 1,797 samples in the order in which the Python task divides them."""
    pixels, labels = load_digits(return_X_y=True)
    for image, label in zip(pixels, labels, strict=True):
        sys.stdout.write(",".join(str(int(value)) for value in (*image, label)) + "\n")


if __name__ == "__main__":
    main()

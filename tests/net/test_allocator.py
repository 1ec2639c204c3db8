from __future__ import annotations

import platform
import subprocess
import sys

import pytest

CODE = """
import resource, sys
from qrfld.net.allocator import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def records(count):
    for _ in range(count):
        frame = bytes(1 << 18)
        record = bytearray(len(frame) + 20)
        del frame, record

if sys.argv[1] == "keep":
    keep_freed_memory()
records(10)
before = faults()
records(200)
print(faults() - before)
"""


def faults(mode: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", CODE, mode], capture_output=True, check=True, text=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_buffers_of_records_are_not_fetched_from_the_kernel_again() -> None:
    # 200 records of 128 pages: each page would be faulted in again.
    assert faults("keep") < 2_000

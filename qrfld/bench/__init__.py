"""Measurements, each beside its baseline in the same run: what `qrfl bench` prints.

Theory of operation. A figure alone says as much about the machine as about the code, and machines
are busy, so every measurement runs its contenders in turns, a short batch each, over and over. What
is counted is CPU time where that answers the question; what is reported is the median over the
batches, and a *ratio* is the median over the ratios of batches that ran side by side. No figure
here is a test: tests run these measurements for a moment and look at their shape.

    measure     batches in turns, medians, ratios
    report      tables of a result, and the machine it was measured on
    other       the second process of a measurement
    tls         the baseline of the handshake: TLS 1.3 with the same algorithms
    contenders  who takes part in a handshake measurement
    sans_io     handshakes in memory: the protocol without sockets
    sockets     handshakes between two processes over loopback
    handshake   `qrfl bench handshake`: both, the cost of refusing, and the goals
    records     `qrfl bench records`: sealed throughput
    attack      the sender of a flood: a process of its own
    member      a member that pings a daemon
    flood       `qrfl bench flood`: a daemon under bogus first messages
    aggregate   `qrfl bench aggregate`: the rules, in units of one read of their input
"""

import os

# numpy's linear algebra in one thread, as in a daemon beside training. Before numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

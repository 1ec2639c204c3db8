"""``qrfl demo``: a federation under attack, on one machine, in a minute.

Theory of operation. `plan` checks what was asked for before anything starts. `federation` types
what a user would type (each step is a real `qrfl` command in a process of its own: init, token
create, join, up) and takes every daemon down again, however the demonstration ends. `stage` plays
two runs of the same task under the same attack, first with the robust rule, then with the plain
mean, and tells a view what it sees; `lines` and `screen` are the two there are.

Ctrl-C never falls between two steps: `interrupts` notes it, and the stage leaves at the next pause.
"""

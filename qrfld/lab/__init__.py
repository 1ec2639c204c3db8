"""The attack laboratory: what each defence is worth, measured in one process without daemons.

Theory of operation. A *cell* is one choice of rule, attack, number of attackers, Dirichlet alpha
and seed; `trial` plays it: honest clients and attackers train the digits task for some rounds, the
attackers see all honest updates before they send theirs, the rule combines what arrives. `grid`
goes through the product of all choices, writes each cell's result as one line of JSON as soon as it
is there, and leaves out cells whose line is there already, so that a grid can be interrupted.
`report` makes the table: mean and worst over seeds, and the worst over all attacks, which is the
figure that counts.

Rules and attacks are those of `qrfld.aggregation`, the same that the daemons use. Label flips need
the attackers' data, not their updates, and are done here.
"""

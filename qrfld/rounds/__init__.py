"""Runs: a model trained round after round by the members of a federation.

Theory of operation. A run is a signed configuration; its id is the hash of that. The node where it
was started coordinates it, and every member named in it trains. One round:

1. the coordinator announces the base model by hash (`RoundStart`); trainers fetch it,
2. each trainer's worker process trains on its own data; the node signs an `UpdateStatement` that
   names its update by hash, keeps the update, and tells the coordinator;
3. the coordinator fetches each update, checks signature, size, layout and numbers, stores it, and
   only then acknowledges it;
4. when everybody who has a session has answered, or the deadline has passed, and the quorum is
   there, the rule turns the updates into the next model; who is late is a straggler;
5. every node evaluates the new model on data it held out; the outcome, the updates used and the
   suspects make a `RoundRecord`, signed, and chained to the previous one by hash.

Whatever a node needs to go on after a kill -9 is on disk before anybody is told of it: the trainer
its signed update, the coordinator each acknowledged update and each record. So a restart resumes
the round that was open, and nobody trains twice for it.

A blob stays on disk while an open round or one of the last records names it (`retention`); a full
disk makes a node wait and say so, never lose what it has acknowledged.

`ledger` checks the chain, `trainer` and `coordinator` are the two roles, `open_round` is what the
coordinator knows of the round, `door` lets updates in, `mixing` goes from update files to the next
model, `fetching` asks busy members again, `news` catches members up, `service` owns all runs of a
node and hears the messages.
"""

"""The conformance room: a peer that breaks every rule on purpose, and sees what the other does.

Theory of operation. `verdict.Case` is one rule of spec/PROTOCOL.md and a coroutine that provokes it
on a real connection; what is expected comes from the specification's text, never from the rest of
this package. `cases` holds the catalogue, a module an area. `runner` runs it and gives a
`verdict.Result` a case.

The tester's own half of the protocol must be able to send wrong bytes, so it is written out here
once more: `initiation` and `answer` (the two sides of the handshake), `speaker` (records and
frames), over `wire` (TCP, every wait bounded). It borrows layouts from `qrfld.protocol` (frames,
messages, records) and primitives from `qrfld.crypto`, and none of the state machines under test:
the import contract forbids them.

- `server` tests a node that listens: `door` is that node as a stranger or an invited one meets it,
  `inside` as a member does, with the `membership` that a token has brought.
- `client` tests one that dials: `house` is the federation that it is invited to, `calls` the port,
  and `program` starts it for each case.
- `resuming` opens sessions by ticket, and `coordinating` runs small rounds, so that blobs move.
- `sessions` opens sessions for the cases that are the same in both roles.
"""

"""The protocol room: what two nodes say to each other, byte by byte; no sockets and no clock.

Theory of operation. A `connection.Connection` is one side of one TCP connection without the TCP
connection: bytes go in (`receive_data`), events come out (`events_received`), bytes to write come
out (`data_to_send`). The asyncio driver, the simulation and the tests all drive the same object.
`spec/PROTOCOL.md` is the reference; sections are named as there.

A byte's way in:

- *HANDSHAKE*: a step (`session.Step`) says how long its next message is and answers it.
  `handshake` is the control connection's (its layouts are in `wire`, its key schedule in `keys`,
  its flood gate in `cookies`); `bulk` joins a second connection to the session; `door` listens for
  either. A stranger gets no byte: SilentRejectError.
- *OPEN*: `records` cuts the stream into sealed records and opens them; `frames` takes each frame
  apart and bounds every field; `connection` sends it where it belongs: messages to `messages` under
  `credit`, streams to the tables of `streams`, the rest is answered on the spot.
- *CLOSED*: after a CLOSE, an end of bytes, or a broken rule: an error of `errors`, each with a wire
  code. Nothing of an offending record is acted on.

Beside the connection, and used by it or by the floors above: `messages` and `statements` are the
typed control messages and signed statements, `tensors` and `merkle` the form and name of model
blobs, `control_frames` the local socket's framing.

Memory that a peer can claim is bounded at every point: one handshake message, then one record and
the credit that was granted. No length is believed before it is compared with its limit.
"""

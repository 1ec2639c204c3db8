"""Sockets, sessions and what flows over them; everything here runs on the event loop.

Theory of operation. A `Link` pumps bytes between one TCP socket and one sans-IO
`qrfld.protocol.Connection`. A `Session` is one authenticated peer: a control link, and a bulk link
that its initiator opens right behind it; if either dies, both do. `Peers` is the mesh: it keeps the
table of admitted members, dials those it has no session with, answers those who dial, resolves
double sessions, and hands each message to the one service that owns its type. `admission` turns a
token into a certificate. `transfer` moves blobs: whoever wants one asks for it by hash.

Services above see only node IDs, messages and blob hashes, never a socket: `Peers.send`,
`Peers.fetch`, `Peers.handle` and `Peers.on_connected` are the whole surface.
"""

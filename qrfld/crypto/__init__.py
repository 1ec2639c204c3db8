"""The crypto room: algorithms, identities and signed papers; no sockets, no messages, no clock.

Theory of operation, from the ground up.

- *Primitives.* `providers` compute ML-KEM and ML-DSA (OpenSSL always, liboqs where installed), `dh`
  is X25519, `aead` the record ciphers, `schedule` HKDF and the transcript hash. `parameters` holds
  every length, and each is checked before a library sees the bytes. `suites` says which algorithms
  go together and gives them numbers; there is no number for anything classical-only, so nothing can
  fall back to it. `labels` keeps each use of a hash, key or signature apart from all others.
- *Encoding.* `encoding` gives every value exactly one byte form; whatever is signed or hashed goes
  through it.
- *Who.* `identity` is an ML-DSA key and the node ID that names it; `keystore` keeps its seed on
  disk, sealed under a passphrase or key file.
- *Papers.* `signed` is the envelope of every statement that outlives a connection. `genesis` founds
  a federation, `certificates` admit a member to it, `addresses` say where a member can be reached;
  all three are checked offline. `tokens` are the one-time invitations that lead to a certificate.

Everything that comes from outside ends in a value of a checked type or in a named error from
`errors`. Secrets are in no ``repr`` and no error. Python cannot wipe `bytes` objects: a secret that
has been one stays in memory until its page is reused.
"""

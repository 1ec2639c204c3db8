"""The store room: what a node must not forget.

One SQLite database (``database``) for federation, members, tokens, runs and records; one file per
model or update, named by its hash (``blobs``). What a method has returned from is on the disk: it
survives a kill -9 and a power cut. A full disk, a corrupt or a newer file is a named error and
leaves everything as it was. One lock file (``lock``) keeps a second daemon out.
"""

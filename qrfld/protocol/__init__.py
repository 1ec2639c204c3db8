"""The protocol room: what two nodes say to each other, byte by byte; no sockets and no clock."""

"""The first message of a session: who a peer is, by its certificate or by the session it resumes.

A resumed session continues one in which both showed their certificates, so its hellos leave them
out, and the address records too: what is new of those comes with the digest. Membership is looked
up again all the same, and a peer that has lost it loses its tickets.
"""

from __future__ import annotations

from qrfld.crypto.certificates import Member
from qrfld.crypto.errors import CertificateError
from qrfld.net.members import Members
from qrfld.net.session import Session
from qrfld.protocol.messages import Hello
from qrfld.protocol.tickets import Tickets


def greeting(session: Session, members: Members) -> Hello:
    """What we say first in a session."""
    whole = members.hello()
    return Hello(software=whole.software) if session.protocol.resumed else whole


async def believe(
    session: Session, hello: Hello, members: Members, tickets: Tickets
) -> tuple[Member, bool]:
    """The member that a peer is; the bool says whether anything of it was new.

    Raises CertificateError: its certificate is refused, or it shows none and is not known from the
    session that this one resumes.
    """
    node = session.node_id
    if hello.certificate is not None:
        return await members.learn(hello.certificate, hello.addresses, expected=node)
    if not session.protocol.resumed:
        raise CertificateError(f"{node.short} shows no certificate")
    known = members.get(node)
    if known is None:
        tickets.forget(node)
        raise CertificateError(f"{node.short} is no member any more")
    return known.member, False

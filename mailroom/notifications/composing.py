"""From a stored message to the bytes that are sent: put together, and signed."""

from __future__ import annotations

import asyncio

from mailroom.errors import MailroomError
from mailroom.notifications import mime
from mailroom.notifications.model import Message, Outcome
from mailroom.notifications.signing import Signer, SigningFailed


class CannotCompose(MailroomError):
    """There are no bytes to send. `outcome` says whether there may be later; the text is for the attempt's record."""

    def __init__(self, text: str, outcome: Outcome) -> None:
        super().__init__(text)
        self.outcome = outcome


class Composer:
    """Without a `signer`, mail goes unsigned."""

    def __init__(self, signer: Signer | None) -> None:
        self._signer = signer

    async def compose(self, message: Message) -> bytes:
        """The message as it goes after DATA. What takes long is done in a thread.

        Raises:
            CannotCompose: nothing must be sent now.
        """
        content = mime.assemble(message)
        if self._signer is None:
            return content
        try:
            return await asyncio.to_thread(self._signer.sign, content)
        except SigningFailed as error:
            raise CannotCompose(str(error), Outcome.DEFERRED) from error

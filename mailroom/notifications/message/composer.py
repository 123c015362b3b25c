"""Makes the bytes of a message: reads its stored attachments, and signs it."""

from __future__ import annotations

import asyncio
import logging

from msgspec.structs import replace

from mailroom.errors import MailroomError, MissingSecret, Unavailable
from mailroom.notifications.message import mime
from mailroom.notifications.message.dkim import DkimSigner, SigningFailed
from mailroom.notifications.message.dkim_keys import DkimKeys
from mailroom.notifications.message.stored_files import Files
from mailroom.notifications.model.messages import Message, RecipientStatus
from mailroom.platform.objects import ObjectGone

log = logging.getLogger(__name__)


class CannotCompose(MailroomError):
    """The message cannot be composed. `status` says whether to try again; the text is for the attempt's record."""

    def __init__(self, text: str, status: RecipientStatus) -> None:
        super().__init__(text)
        self.status = status


class Composer:
    """`files` reads the stored attachments. Mail of a domain without one of the `keys` is not signed."""

    def __init__(self, files: Files, keys: DkimKeys) -> None:
        self._files = files
        self._keys = keys

    async def compose(self, message: Message) -> bytes:
        """Makes the bytes that follow DATA. Reading attachments and signing run in a thread.

        Raises:
            CannotCompose: the message must not be sent now.
        """
        stored = any(attachment.stored for attachment in message.attachments)
        try:
            signer = self._keys.signer(message.sender.domain)
            if signer is None and not stored:
                return mime.assemble(message)
            return await asyncio.to_thread(self._compose, message, signer)
        except ObjectGone as error:
            raise CannotCompose(f"an attachment is gone: {error}", RecipientStatus.FAILED) from error
        except (SigningFailed, Unavailable, MissingSecret) as error:
            raise CannotCompose(str(error), RecipientStatus.PENDING) from error
        except Exception as error:
            # Without a result, it would be tried again as soon as its lease has expired, and never be given up.
            log.exception("the message %s cannot be composed", message.message_id)
            raise CannotCompose(f"it cannot be composed: {type(error).__name__}", RecipientStatus.PENDING) from error

    def _compose(self, message: Message, signer: DkimSigner | None) -> bytes:
        attachments = tuple(replace(each, content=self._files.content(each)) for each in message.attachments)
        content = mime.assemble(replace(message, attachments=attachments))
        return content if signer is None else signer.sign(content)

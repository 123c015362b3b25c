"""All documents of a list, as far as the time of one answer allows."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from itertools import chain, islice

from pymongo.errors import PyMongoError

from mailroom.platform.clock import Budget
from mailroom.platform.keyset import Key, Order
from mailroom.platform.mongo import Document, is_transient

log = logging.getLogger(__name__)

# So many documents come with one answer of MongoDB: few enough to be small in memory.
BATCH = 1000


class Export:
    """`documents` until `budget` is spent, at least the first batch. Iterate once.

    After that, `last` is the key that the next export begins after, or None if nothing is left. The first document is
    read at once. If MongoDB cannot go on later, for example because the cursor is lost, the export ends early: the
    caller already has a part of it.
    """

    def __init__(self, documents: Generator[Document], order: Order, budget: Budget) -> None:
        self.order = order
        self.last: Key | None = None
        self._first = list(islice(documents, 1))
        self._others = documents
        self._budget = budget

    def __iter__(self) -> Iterator[Document]:
        previous: Document | None = None
        try:
            for count, document in enumerate(chain(self._first, self._others)):
                if previous is not None and count % BATCH == 0 and self._budget.spent():
                    self.last = self.order.key(previous)
                    return
                yield document
                previous = document
        except PyMongoError as error:
            if previous is None or not is_transient(error):
                raise
            log.warning("MongoDB cannot go on with an export: it ends here, and says so", exc_info=error)
            self.last = self.order.key(previous)
        finally:
            self._others.close()

"""The one place where settings, secrets and clients meet. Clients are made when first used, once per process."""

from __future__ import annotations

import threading
from functools import cached_property

from pymongo.database import Database

from mailroom.platform import mongo, secrets, settings
from mailroom.platform.keys import ApiKeys
from mailroom.platform.kick import Kicker
from mailroom.platform.mongo import Document
from mailroom.platform.objects import ObjectStore
from mailroom.platform.secrets import Secrets
from mailroom.platform.settings import Settings


class Services:
    """What a process of ours uses. Nothing connects before it is needed, so that a function answers at once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.secrets = Secrets(settings.secrets_dir)
        self._making = threading.RLock()

    @classmethod
    def from_environment(cls) -> Services:
        """Raises `InvalidSetting` when the environment is wrong: a function then fails at start, not at a call."""
        return cls(settings.load())

    @property
    def database(self) -> Database[Document]:
        with self._making:  # cached_property alone would let two threads make two clients
            return self._database

    @cached_property
    def _database(self) -> Database[Document]:
        return mongo.connect(
            self.secrets.read(secrets.MONGODB_URI),
            self.settings.mongodb_database,
            self.settings.mongodb_timeout_seconds,
        )

    @property
    def objects(self) -> ObjectStore:
        with self._making:
            return self._objects

    @cached_property
    def _objects(self) -> ObjectStore:
        from mailroom.platform import objects  # 0.2 s that only those who use it should pay

        return objects.connect(
            self.settings.s3_endpoint,
            self.settings.s3_region,
            self.secrets.read(secrets.S3_ACCESS_KEY),
            self.secrets.read(secrets.S3_SECRET_KEY),
            self.settings.s3_timeout_seconds,
        )

    @cached_property
    def keys(self) -> ApiKeys:
        return ApiKeys(self.database["apiKeys"])

    @cached_property
    def kicker(self) -> Kicker:
        return Kicker(self.settings.kick_url)

    def close(self) -> None:
        """Sends the last kicks and closes the connections."""
        if "kicker" in self.__dict__:
            self.kicker.close()
        if "_database" in self.__dict__:
            self._database.client.close()

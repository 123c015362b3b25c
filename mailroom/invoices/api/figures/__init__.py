"""The figures of an overview in the API, each computed at most once a minute."""

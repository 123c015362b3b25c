"""What the applications stand on: settings, secrets, MongoDB, the object store, HTTP, keys, workers."""

"""The rows of files in the API: rejected rows, their corrections, and the row that an invoice came from."""

"""The user metadata of an uploaded object that its import obeys."""

# A mapping of its columns as JSON, {"header name": "column"}.
METADATA_COLUMNS = "x-amz-meta-columns"

# The name of the preset with which the file is read.
METADATA_PRESET = "x-amz-meta-preset"

# Not empty: the import waits until a person approves it.
METADATA_HOLD = "x-amz-meta-hold"

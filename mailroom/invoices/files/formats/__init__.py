"""From the bytes of a file to its records: compression, encodings, lines, CSV and workbooks."""

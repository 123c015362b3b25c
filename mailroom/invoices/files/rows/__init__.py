"""From records to invoices: the parser of a row, the rows of one invoice, and rows that are none."""

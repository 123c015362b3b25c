"""The invoice importer: files become invoices, and an API lists them."""

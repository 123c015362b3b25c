"""From a text to its value: amounts, currencies, dates and rates."""

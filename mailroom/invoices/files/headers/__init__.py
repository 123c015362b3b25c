"""What the first rows of a file name: its columns, its currency, and the program that wrote it."""

"""Builds the functions' images with Docker alone, from the same files and with the same layout as faas-cli."""

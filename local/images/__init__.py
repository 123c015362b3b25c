"""Builds the functions' images with Docker alone, from the same files and in the same layout as faas-cli."""

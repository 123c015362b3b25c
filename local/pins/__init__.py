"""The images of images.env, their digests, and the copies in other files."""

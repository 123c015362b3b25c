"""How the files of a folder are read: the deployment's rules, profiles in settings, and presets in MongoDB."""

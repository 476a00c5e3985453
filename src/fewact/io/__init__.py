"""Files and folders: written atomically, locked between processes."""

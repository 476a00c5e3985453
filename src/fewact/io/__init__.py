"""Files and folders: written as a whole, locked between processes."""

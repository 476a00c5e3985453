"""A saved model: its folder and files, its former versions, and changes of it."""

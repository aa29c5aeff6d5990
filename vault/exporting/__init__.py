"""What is handed to a person or a successor: files, their manifest, the archive, and the page that people read."""

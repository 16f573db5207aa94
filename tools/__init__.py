"""What keeps the project's own files in order; no part of the package."""

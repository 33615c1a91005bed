"""Tags for templates of Django."""

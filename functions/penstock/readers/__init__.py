"""Small libraries for applications that read what Penstock promotes. They write nothing."""

"""What people look at: the HTML page and the terminal tables."""

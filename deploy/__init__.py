"""What brings the bot to AWS: its package, and the parts of its template."""

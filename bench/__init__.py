"""What the bot costs, measured on loopback: `make bench`."""

"""A simulated world around the real bot: time, AWS, providers that enforce their limits, and people who log in."""

"""What must outlive a call: the protocol (base.py) and its stores."""

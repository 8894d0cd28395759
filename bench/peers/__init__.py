"""What the bot is measured against: each as good as its library allows, written from its public interface."""

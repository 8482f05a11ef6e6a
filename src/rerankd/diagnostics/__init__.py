"""What an operator sends along when something is wrong: the state of the process, no secrets and no texts."""

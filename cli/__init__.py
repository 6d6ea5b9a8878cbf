"""What the command-line programs share: arguments, endpoints, start and end."""

"""`jaxheads bench`: speed, memory and traffic, measured or compiled."""

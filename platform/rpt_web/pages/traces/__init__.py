"""What the policy wrote."""

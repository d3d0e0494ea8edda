"""What a machine has, and what it lacks: hardware, environments, the doctor."""

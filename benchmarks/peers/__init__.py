"""What others publish and ship, rebuilt or called, to be measured in the same run."""

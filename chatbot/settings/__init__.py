"""Every setting: its range, its help, the sections and the configuration that travels as JSON."""

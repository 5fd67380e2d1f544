"""Every setting: where it comes from, what it may be, and what is said when it is something else.

Settings stand in `config.toml`, secrets and addresses in the environment. Both are read once, and every problem is
reported at the same time.
"""

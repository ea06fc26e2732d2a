"""The subcommands of `jetl2`; each imports what it needs when it runs, so that help is quick."""

"""`python3 -m ppdet <command>`: the same as `ppdet <command>`."""

from ppdet.cli import main

if __name__ == "__main__":
    main()

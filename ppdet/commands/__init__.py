"""The work of each command, once `ppdet.cli` has parsed its options and imported its module."""

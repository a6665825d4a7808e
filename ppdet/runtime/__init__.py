"""The machine and the process: devices, ranks, threads, signals, and the watchdog of distributed jobs."""

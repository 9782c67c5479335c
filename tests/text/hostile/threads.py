"""Start many threads."""

# ends: returned []
import concurrent.futures
import threading
import time


def main(bait):
    return worked(
        *(lambda: threading.Thread(target=time.sleep, args=(100,), daemon=True).start() for _ in range(100)),
        lambda: concurrent.futures.ThreadPoolExecutor(4).submit(pow, 2, 2).result(),
    )

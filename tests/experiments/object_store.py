"""A store that speaks S3, and workers that share no disk with anybody: videos from it, results to it, stopped and run again.

    pip install 'ikebook[remote,cluster]' 'moto[server]'     moto in an environment of its own, if pip says so
    python tests/experiments/object_store.py [--moto PATH/TO/moto_server] [--videos 4] [--workers 2]

Starts moto's server, which is S3 as far as it goes, on loopback; puts toys as videos into a bucket; runs `ikebook segment
's3://bucket/videos/*.mp4' --out s3://bucket/out --workers N`, kills it when some videos are finished, runs it again. Prints what was done
twice (nothing), whether all masks are those of a run on this disk, byte by byte, what an unfinished video has left, how wrong
credentials and a missing object are told, and where the credentials are found afterwards (nowhere).
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECRET = "not-a-real-secret-0123456789"


def main() -> None:
    """Print one line for each thing that is looked at."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moto", default="moto_server")
    parser.add_argument("--videos", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen([arguments.moto, "-H", "127.0.0.1", "-p", str(port)], **quiet)
    try:
        with tempfile.TemporaryDirectory() as folder:
            look(Path(folder), arguments.videos, arguments.workers)
    finally:
        server.terminate()


def look(folder: Path, videos: int, workers: int) -> None:
    """All that is looked at."""
    import fsspec

    store = wait_for_store(fsspec)
    paths = write_videos(folder, videos)
    for path in paths:
        store.put_file(str(path), f"bucket/videos/{path.name}")
    command = ["s3://bucket/videos/*.mp4", "--out", "s3://bucket/out", "--workers", str(workers)]
    running = start(command)
    while not store.glob("bucket/out/*/summary.json"):
        time.sleep(0.2)
        store.invalidate_cache()
        assert running.poll() is None, running.communicate()
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    store.invalidate_cache()
    finished = len(store.glob("bucket/out/*/summary.json"))
    begun = len(store.ls("bucket/out"))
    print(f"killed: {finished} of {videos} videos finished, {begun - finished} with results and no summary")
    again = start(command)
    out, err = again.communicate()
    assert again.returncode == 0, err
    print(f"run again: {out.count('finished before')} finished before, {out.count(' frames')} in all; stderr {err!r}")
    here = start([*map(str, paths), "--out", str(folder / "out")])
    assert here.wait() == 0
    store.invalidate_cache()
    masks = [path for path in store.find("bucket/out") if "/masks/" in path or "/soft/" in path]
    same = sum(store.cat_file(path) == (folder / path.removeprefix("bucket/")).read_bytes() for path in masks)
    print(f"masks and soft masks: {len(masks)}, as on this disk: {same}")
    print("a missing object:", start(["s3://bucket/none.mp4", "--out", "s3://bucket/none"]).communicate()[1].strip())
    print("no such bucket:", start(["s3://other/none.mp4", "--out", "s3://bucket/none"]).communicate()[1].strip())
    found = [path for path in store.find("bucket/out") if SECRET.encode() in store.cat_file(path)]
    print(f"the secret is in {len(found)} results, in what was printed: {SECRET in out + err}")
    without = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    without |= {
        "AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"],
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": str(folder),
    }
    told = start(["s3://bucket/videos/walk-0.mp4", "--out", "s3://bucket/nobody"], without).communicate()[1]
    print("no credentials:", told.strip())


def wait_for_store(fsspec):
    """The store, with an empty bucket, as soon as it answers."""
    for _ in range(100):
        try:
            store = fsspec.filesystem("s3")
            store.mkdir("bucket")
        except Exception:  # noqa: BLE001  # whatever it is, it does not answer yet
            time.sleep(0.2)
        else:
            return store
    sys.exit("no store answers")


def write_videos(folder: Path, count: int) -> list[Path]:
    """Toys as videos."""
    from ikebook.base.files import write_video
    from ikebook.datasets.toys import toy

    paths = [folder / f"walk-{index}.mp4" for index in range(count)]
    for index, path in enumerate(paths):
        write_video(path, toy("disc", (96, 64), 6 + index).clip.frames, 24)
    return paths


def start(words: list[str], environment: dict[str, str] | None = None) -> subprocess.Popen:
    """`ikebook segment`, small."""
    command = [sys.executable, "-m", "ikebook", "segment", *words, "--size", "48x32", "--no-cache"]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


if __name__ == "__main__":
    main()

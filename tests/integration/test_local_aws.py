"""What a local AWS API can play of the platform is applied, looked at, planned again, and destroyed.

Real Terraform, its real AWS provider and the real modules; moto on loopback is the account. It plays
no MSK, no EKS and no EMR that Terraform could use: those have `terraform test` and its mocked provider.
"""

import json
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from jetl2.devstack import folders

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

REGION = "eu-central-1"
ACCOUNT = "123456789012"
PREFIX = "jetl2-local"
BUCKETS = {
    f"{PREFIX}-{purpose}" for purpose in ("artifacts", "downloads", "inventory", "lake", "public")
}
# As build-support/check.py has it: could not be checked, and the last line says why
SKIP = 77


@dataclass(frozen=True, slots=True)
class Account:
    """A local AWS account, and the folder whose Terraform was applied to it."""

    endpoint: str
    top: Path

    @property
    def folder(self) -> Path:
        return self.top / "environments" / "local"

    @property
    def state(self) -> Path:
        return self.top / "local.tfstate"

    def client(self, service: Any) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def run(self, *argv: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in that folder; nothing of a person's own AWS set-up reaches it."""
        own = {n: v for n, v in os.environ.items() if not n.startswith(("AWS_", "TF_"))}
        local = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
        }
        if plugins := os.environ.get("TF_PLUGIN_DIR"):
            local["TF_PLUGIN_DIR"] = plugins
        elif (found := self.folder / ".terraform" / "providers").exists():
            # For destroy.sh: what was found or downloaded once
            local["TF_PLUGIN_DIR"] = str(found)
        return subprocess.run(
            argv,
            cwd=self.folder,
            env=own | local,
            input=answer,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )

    def terraform(self, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        return self.run("terraform", command, "-input=false", "-no-color", *options)

    def destroy(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run destroy.sh as a person would, who says yes when asked."""
        script = str(self.top / "destroy.sh")
        return self.run(
            "bash", script, "local", *options, f"-backend-config=path={self.state}", answer="yes\n"
        )


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Give an account to which everything was applied."""
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not on the PATH")
    top = tmp_path_factory.mktemp("aws") / "terraform"
    shutil.copytree(
        folders.root() / "infra" / "terraform",
        top,
        ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"),
    )
    shutil.copytree(Path(__file__).parent / "local_aws", top / "environments" / "local")
    # A line for each request would hide why something failed
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        made = Account(f"http://{host}:{port}", top)
        init = folders.root() / "build-support" / "terraform_init.sh"
        done = made.run("bash", str(init), f"-backend-config=path={made.state}")
        if done.returncode == SKIP:
            pytest.skip(done.stdout.strip().splitlines()[-1])
        assert done.returncode == 0, done.stdout
        done = made.terraform("apply", "-auto-approve")
        assert done.returncode == 0, done.stdout
        yield made
    finally:
        server.stop()


def test_buckets_are_encrypted_and_closed(account: Account) -> None:
    s3 = account.client("s3")

    assert {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]} == BUCKETS
    key = account.client("kms").describe_key(KeyId=f"alias/{PREFIX}-s3")["KeyMetadata"]
    for name in BUCKETS:
        purpose = name.removeprefix(f"{PREFIX}-")
        encryption = s3.get_bucket_encryption(Bucket=name)
        (rule,) = encryption["ServerSideEncryptionConfiguration"]["Rules"]
        told = rule["ApplyServerSideEncryptionByDefault"]
        if purpose in ("public", "inventory"):
            assert told["SSEAlgorithm"] == "AES256"
        else:
            assert (told["SSEAlgorithm"], told["KMSMasterKeyID"]) == ("aws:kms", key["Arn"])
        block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
        closed = purpose != "public"
        assert block == {
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": closed,
            "RestrictPublicBuckets": closed,
        }
    rotation = account.client("kms").get_key_rotation_status(KeyId=key["KeyId"])
    assert rotation["KeyRotationEnabled"]


def test_buckets_take_nothing_without_tls(account: Account) -> None:
    s3 = account.client("s3")

    for name in BUCKETS:
        statements = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"]
        (deny,) = (each for each in statements if each["Effect"] == "Deny")
        assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert deny["Resource"] == [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
        allowed = {
            (each["Action"], *each["Resource"]) for each in statements if each["Effect"] == "Allow"
        }
        assert allowed == {
            f"{PREFIX}-public": {("s3:GetObject", f"arn:aws:s3:::{PREFIX}-public/data/*")},
            f"{PREFIX}-inventory": {("s3:PutObject", f"arn:aws:s3:::{PREFIX}-inventory/*")},
        }.get(name, set())


def test_buckets_keep_what_they_should(account: Account) -> None:
    s3 = account.client("s3")

    def rules(purpose: str) -> dict[str, Any]:
        found = s3.get_bucket_lifecycle_configuration(Bucket=f"{PREFIX}-{purpose}")["Rules"]
        return {rule["ID"]: rule for rule in found}

    assert rules("downloads")["exported-files"]["Expiration"]["Days"] == 7
    lake = rules("lake")
    # Nothing goes by its age; what is left of what was deleted does
    assert [rule["Expiration"] for rule in lake.values() if "Expiration" in rule] == [
        {"ExpiredObjectDeleteMarker": True}
    ]
    assert lake["replaced-objects"]["NoncurrentVersionExpiration"]["NoncurrentDays"] == 14
    (archive,) = lake["raw-archive"]["Transitions"]
    assert (archive["Days"], archive["StorageClass"]) == (30, "GLACIER_IR")
    for purpose in ("lake", "artifacts"):
        assert s3.get_bucket_versioning(Bucket=f"{PREFIX}-{purpose}")["Status"] == "Enabled"
    for name in BUCKETS:
        abandoned = rules(name.removeprefix(f"{PREFIX}-"))["abandoned-uploads"]
        assert abandoned["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 2


def test_each_role_is_taken_on_by_its_own_and_has_one_policy(account: Account) -> None:
    iam = account.client("iam")
    pods = {"Service": "pods.eks.amazonaws.com"}
    jobs = {"Service": "emr-serverless.amazonaws.com"}
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"

    trusted = {}
    for role in iam.list_roles()["Roles"]:
        name = role["RoleName"]
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        trusted[name.removeprefix(f"{PREFIX}-")] = statement["Principal"]
        assert len(iam.list_role_policies(RoleName=name)["PolicyNames"]) == 1
        assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
    assert trusted == {
        "ingestor": pods,
        "merger": pods,
        "api-grpc": pods,
        "landing": jobs,
        "compaction": jobs,
        "export": jobs,
        "scheduler": {"Service": "scheduler.amazonaws.com"},
        "operator": {"AWS": [f"arn:aws:iam::{ACCOUNT}:role/admin"]},
        "release": {"Federated": provider},
    }


def test_policies_name_what_was_made(account: Account) -> None:
    key = account.client("kms").describe_key(KeyId=f"alias/{PREFIX}-s3")["KeyMetadata"]["Arn"]
    repositories = account.client("ecr").describe_repositories()["repositories"]

    landing = _policy(account, "landing", "workload")
    assert landing["WriteLake"]["Resource"] == [f"arn:aws:s3:::{PREFIX}-lake/*"]
    assert landing["Encryption"]["Resource"] == [key]
    compaction = _policy(account, "compaction", "workload")
    rows = f"arn:aws:s3:::{PREFIX}-lake/data_type=*"
    assert compaction["TakeAwayReplaced"]["Resource"] == [f"{rows}.parquet"]
    assert compaction["WriteCompacted"]["Resource"] == [f"{rows}-compact-*.parquet"]
    release = _policy(account, "release", "publish")
    assert release["PushImages"]["Resource"] == sorted(r["repositoryArn"] for r in repositories)
    assert release["PutJobs"]["Resource"] == [
        f"arn:aws:s3:::{PREFIX}-artifacts/{job}/*" for job in ("export", "landing")
    ]


def test_images_cannot_be_replaced(account: Account) -> None:
    ecr = account.client("ecr")
    found = {each["repositoryName"]: each for each in ecr.describe_repositories()["repositories"]}

    assert set(found) == {f"{PREFIX}/{name}" for name in ("ingestor", "merger", "api-grpc")}
    for name, repository in found.items():
        assert repository["imageTagMutability"] == "IMMUTABLE"
        assert repository["imageScanningConfiguration"]["scanOnPush"]
        assert repository["encryptionConfiguration"]["encryptionType"] == "KMS"
        policy = json.loads(ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"])
        assert [rule["selection"]["countNumber"] for rule in policy["rules"]] == [50]


def test_the_clock_starts_landing_as_itself(account: Account) -> None:
    scheduler = account.client("scheduler")

    (found,) = scheduler.list_schedules(GroupName=PREFIX)["Schedules"]
    schedule = scheduler.get_schedule(GroupName=PREFIX, Name=found["Name"])
    target = schedule["Target"]
    asked = json.loads(target["Input"])
    assert schedule["ScheduleExpression"] == "rate(15 minutes)"
    assert target["Arn"] == "arn:aws:scheduler:::aws-sdk:emrserverless:startJobRun"
    assert target["RoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/{PREFIX}-scheduler"
    assert asked["ExecutionRoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/{PREFIX}-landing"
    assert asked["ClientToken"] == "<aws.scheduler.execution-id>"
    entry = asked["JobDriver"]["SparkSubmit"]["EntryPoint"]
    assert entry == f"s3://{PREFIX}-artifacts/landing/1.2.0/main.py"
    queue = account.client("sqs").get_queue_url(QueueName=f"{PREFIX}-failed-starts")["QueueUrl"]
    about = account.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    assert target["DeadLetterConfig"]["Arn"] == about["Attributes"]["QueueArn"]


def test_a_second_plan_changes_nothing(account: Account) -> None:
    done = account.terraform("plan", "-out=plan")
    assert done.returncode == 0, done.stdout

    shown = json.loads(account.run("terraform", "show", "-json", "plan").stdout)
    changed = [c for c in shown["resource_changes"] if c["change"]["actions"] != ["no-op"]]

    # moto forgets how the inventory is encrypted
    (inventory,) = changed
    assert inventory["address"] == "module.s3.aws_s3_bucket_inventory.lake"
    assert inventory["change"]["actions"] == ["update"]
    before, after = inventory["change"]["before"], inventory["change"]["after"]
    for state in (before, after):
        del state["destination"][0]["bucket"][0]["encryption"]
    assert before == after


def test_what_holds_data_goes_only_with_the_switch(account: Account) -> None:
    s3 = account.client("s3")
    # It refuses what comes without TLS, which moto does not speak
    s3.delete_bucket_policy(Bucket=f"{PREFIX}-lake")
    s3.put_object(Bucket=f"{PREFIX}-lake", Key="data_type=trade/x.parquet", Body=b"rows")

    refused = account.destroy()

    assert refused.returncode != 0
    assert "Instance cannot be destroyed" in refused.stdout
    for resource in ("aws_s3_bucket.this", "aws_kms_key.this"):
        assert resource in refused.stdout
    assert {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]} == BUCKETS
    assert s3.head_object(Bucket=f"{PREFIX}-lake", Key="data_type=trade/x.parquet")

    # moto takes a request to delete an inventory for one to delete the bucket
    forgotten = account.run("terraform", "state", "rm", "module.s3.aws_s3_bucket_inventory.lake")
    assert forgotten.returncode == 0, forgotten.stdout
    gone = account.destroy("--with-data")

    assert gone.returncode == 0, gone.stdout
    assert s3.list_buckets()["Buckets"] == []
    assert account.client("iam").list_roles()["Roles"] == []
    assert account.client("ecr").describe_repositories()["repositories"] == []
    assert account.client("scheduler").list_schedules()["Schedules"] == []
    keys = account.client("kms").list_keys()["Keys"]
    states = [account.client("kms").describe_key(KeyId=k["KeyId"])["KeyMetadata"] for k in keys]
    # A key can be brought back for 30 days, which AWS wants
    assert {each["KeyState"] for each in states if each["KeyManager"] == "CUSTOMER"} == {
        "PendingDeletion"
    }


def _policy(account: Account, role: str, name: str) -> dict[str, Any]:
    """Return the statements of a role's policy by their Sid."""
    found = account.client("iam").get_role_policy(RoleName=f"{PREFIX}-{role}", PolicyName=name)
    return {each["Sid"]: each for each in found["PolicyDocument"]["Statement"]}

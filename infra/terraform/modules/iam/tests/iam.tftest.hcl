mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/a-role" }
  }
}

variables {
  prefix                 = "jetl2-test"
  region                 = "eu-central-1"
  account_id             = "123456789012"
  cluster_arn            = "arn:aws:kafka:eu-central-1:123456789012:cluster/jetl2-test-kafka/uuid-1"
  key_arn                = "arn:aws:kms:eu-central-1:123456789012:key/1"
  export_application_arn = "arn:aws:emr-serverless:eu-central-1:123456789012:/applications/1"
  operator_arns          = ["arn:aws:iam::123456789012:role/b", "arn:aws:iam::123456789012:role/a"]
  bucket_arns = {
    lake      = "arn:aws:s3:::lake"
    downloads = "arn:aws:s3:::downloads"
    artifacts = "arn:aws:s3:::artifacts"
  }
}

run "each_only_what_it_needs" {
  command = apply

  assert {
    condition = {
      for name, policy in aws_iam_role_policy.this : name => flatten([
        for statement in jsondecode(policy.policy).Statement : statement.Resource if contains(statement.Action, "kafka-cluster:AlterGroup")
      ]) } == {
      ingestor = ["arn:aws:kafka:eu-central-1:123456789012:group/jetl2-test-kafka/uuid-1/jetl2-ingestor-*"]
      merger   = ["arn:aws:kafka:eu-central-1:123456789012:group/jetl2-test-kafka/uuid-1/jetl2.merger"]
      landing = [
        "arn:aws:kafka:eu-central-1:123456789012:group/jetl2-test-kafka/uuid-1/jetl2.landing.market",
        "arn:aws:kafka:eu-central-1:123456789012:group/jetl2-test-kafka/uuid-1/jetl2.landing.raw",
        "arn:aws:kafka:eu-central-1:123456789012:group/jetl2-test-kafka/uuid-1/spark-kafka-*",
      ]
      export     = []
      api-grpc   = []
      operator   = ["arn:aws:kafka:eu-central-1:123456789012:group/jetl2-test-kafka/uuid-1/jetl2.admin"]
      compaction = []
    }
    error_message = "Somebody may commit another's offsets."
  }

  assert {
    condition = {
      for name, policy in aws_iam_role_policy.this : name => flatten([
        for statement in jsondecode(policy.policy).Statement : statement.Resource if contains(statement.Action, "kafka-cluster:AlterTransactionalId")
      ]) } == {
      ingestor = []
      merger   = ["arn:aws:kafka:eu-central-1:123456789012:transactional-id/jetl2-test-kafka/uuid-1/jetl2.merger.task-*"]
      landing = [
        "arn:aws:kafka:eu-central-1:123456789012:transactional-id/jetl2-test-kafka/uuid-1/jetl2.landing.market",
        "arn:aws:kafka:eu-central-1:123456789012:transactional-id/jetl2-test-kafka/uuid-1/jetl2.landing.raw",
      ]
      export     = []
      api-grpc   = []
      operator   = ["arn:aws:kafka:eu-central-1:123456789012:transactional-id/jetl2-test-kafka/uuid-1/jetl2.admin.redrive"]
      compaction = []
    }
    error_message = "Somebody may use another's transactional ids."
  }

  assert {
    condition = alltrue(flatten([
      for policy in aws_iam_role_policy.this : [
        for statement in jsondecode(policy.policy).Statement : [
          alltrue([for action in statement.Action : !strcontains(action, "*")]),
          !contains(statement.Resource, "*"),
        ]
      ]
    ]))
    error_message = "A policy allows everything of something."
  }

  assert {
    condition = {
      for name, policy in aws_iam_role_policy.this : name => flatten([
        for statement in jsondecode(policy.policy).Statement : [
          for resource in statement.Resource : resource if contains(statement.Action, "s3:PutObject")
        ]
    ]) } == { ingestor = [], merger = [], landing = ["arn:aws:s3:::lake/*"], compaction = ["arn:aws:s3:::lake/data_type=*-compact-*.parquet"], export = ["arn:aws:s3:::downloads/*"], api-grpc = ["arn:aws:s3:::downloads/*"], operator = [] }
    error_message = "Somebody may write where it should not."
  }

  assert {
    condition = {
      for name, policy in aws_iam_role_policy.this : name => flatten([
        for statement in jsondecode(policy.policy).Statement : [
          for action in statement.Action : [for resource in statement.Resource : "${action} ${resource}"] if startswith(action, "s3:Delete")
        ]
      ]) } == {
      ingestor   = []
      merger     = []
      landing    = []
      compaction = ["s3:DeleteObject arn:aws:s3:::lake/data_type=*.parquet"]
      export     = []
      api-grpc   = ["s3:DeleteObject arn:aws:s3:::downloads/*"]
      operator   = []
    }
    error_message = "Somebody may delete what must stay: manifests and versions of the lake always, its rows but for compaction."
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.this["compaction"].policy, "kafka-cluster")
    error_message = "Compaction may reach Kafka, which it does not need."
  }

  assert {
    condition = {
      for name, policy in aws_iam_role_policy.this : name => flatten([
        for statement in jsondecode(policy.policy).Statement : statement.Resource if contains(statement.Action, "logs:PutLogEvents")
      ]) } == {
      ingestor   = []
      merger     = []
      landing    = ["arn:aws:logs:eu-central-1:123456789012:log-group:/jetl2-test/landing:*"]
      export     = ["arn:aws:logs:eu-central-1:123456789012:log-group:/jetl2-test/export:*"]
      api-grpc   = []
      operator   = []
      compaction = ["arn:aws:logs:eu-central-1:123456789012:log-group:/jetl2-test/landing:*"]
    }
    error_message = "A job cannot write its log, or somebody else can."
  }

  # Raw topics take what recorders and redrive write, and nothing in a transaction
  assert {
    condition = {
      for name, policy in aws_iam_role_policy.this : name => flatten([
        for statement in jsondecode(policy.policy).Statement : [
          for resource in statement.Resource : split("/", resource)[3] if contains(statement.Action, "kafka-cluster:WriteData")
        ]
      ]) } == {
      ingestor   = ["raw.*"]
      merger     = ["market.*", "control.*", "dead.*", "merger.changelog"]
      landing    = []
      compaction = []
      export     = []
      api-grpc   = []
      operator   = ["raw.*", "redrive.changelog"]
    }
    error_message = "Somebody may write to a topic that is another's."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.this["operator"].policy).Statement :
      statement.Sid => [for resource in statement.Resource : split("/", resource)[3]]
      if contains(["LookAtTopics", "LookAtMergers", "NoteWhatWasRedriven"], statement.Sid)
      } == {
      LookAtTopics        = ["raw.*", "market.*", "control.*", "dead.*", "merger.changelog"]
      LookAtMergers       = ["jetl2.merger"]
      NoteWhatWasRedriven = ["redrive.changelog"]
    }
    error_message = "An operator cannot see what `jetl2 admin` looks at, or sees more."
  }

  assert {
    condition     = jsondecode(aws_iam_role.operator.assume_role_policy).Statement[0].Principal == { AWS = ["arn:aws:iam::123456789012:role/a", "arn:aws:iam::123456789012:role/b"] }
    error_message = "Somebody else than the named people is an operator."
  }

  assert {
    condition = alltrue([
      for role in aws_iam_role.this :
      jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "123456789012"
    ])
    error_message = "A role can be taken on for another account."
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    prefix        = "JetL2"
    region        = "Frankfurt"
    account_id    = "me"
    cluster_arn   = "jetl2-test-kafka"
    merger_group  = "*"
    operator_arns = ["arn:aws:iam::123456789012:role/*"]
  }

  expect_failures = [var.prefix, var.region, var.account_id, var.cluster_arn, var.merger_group, var.operator_arns]
}

locals {
  # arn:aws:kafka:REGION:ACCOUNT:cluster/NAME/UUID -> the same with topic, group, transactional-id
  topic         = replace(var.cluster_arn, ":cluster/", ":topic/")
  group         = replace(var.cluster_arn, ":cluster/", ":group/")
  transactional = replace(var.cluster_arn, ":cluster/", ":transactional-id/")

  landing_groups = [for dataset in ["market", "raw"] : "${local.group}/${var.landing_group}.${dataset}"]
  landing_ids    = [for dataset in ["market", "raw"] : "${local.transactional}/${var.landing_group}.${dataset}"]

  # What `jetl2 admin` names itself when it reads; it commits nothing
  admin_group = "${local.group}/jetl2.admin"

  connect  = { Sid = "Connect", Action = ["kafka-cluster:Connect"], Resource = [var.cluster_arn] }
  writes   = { Sid = "WriteOnce", Action = ["kafka-cluster:WriteDataIdempotently"], Resource = [var.cluster_arn] }
  own_keys = { Sid = "Encryption", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = [var.key_arn] }
  code = {
    Sid      = "Code"
    Action   = ["s3:GetObject"]
    Resource = ["${var.bucket_arns.artifacts}/*"]
  }

  # EMR writes a job's log as the job
  log_groups = "arn:aws:logs:${var.region}:${var.account_id}:log-group"
  find_logs  = { Sid = "FindLogGroup", Action = ["logs:DescribeLogGroups"], Resource = ["${local.log_groups}:*"] }
  # Compaction runs in landing's application
  write_log = {
    for name, group in { landing = "landing", compaction = "landing", export = "export" } : name => {
      Sid                        = "WriteLog"
      Action                     = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
      Resource                   = ["${local.log_groups}:/${var.prefix}/${group}:*"]
    }
  }

  workloads = {
    # Exchange feeds to raw topics
    ingestor = {
      statements = [
        local.connect,
        local.writes,
        {
          Sid      = "WriteRaw"
          Action   = ["kafka-cluster:CreateTopic", "kafka-cluster:DescribeTopic", "kafka-cluster:WriteData"]
          Resource = ["${local.topic}/raw.*"]
        },
        {
          # It makes the topic of requests too, so as to listen before the merger's first
          Sid      = "HearRequests"
          Action   = ["kafka-cluster:CreateTopic", "kafka-cluster:DescribeTopic", "kafka-cluster:ReadData"]
          Resource = ["${local.topic}/control.*"]
        },
        {
          Sid      = "OwnGroups"
          Action   = ["kafka-cluster:DescribeGroup", "kafka-cluster:AlterGroup"]
          Resource = ["${local.group}/jetl2-ingestor-*"]
        },
        {
          Sid      = "ExchangeKeys"
          Action   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
          Resource = ["${local.secrets}/ingestor/*"]
        },
      ]
    }
    # Raw events to records, exactly once
    merger = {
      statements = [
        local.connect,
        local.writes,
        {
          Sid      = "ReadInputAndState"
          Action   = ["kafka-cluster:DescribeTopic", "kafka-cluster:ReadData"]
          Resource = ["${local.topic}/raw.*", "${local.topic}/merger.changelog"]
        },
        {
          Sid      = "WriteOutput"
          Action   = ["kafka-cluster:CreateTopic", "kafka-cluster:DescribeTopic", "kafka-cluster:WriteData"]
          Resource = [for name in ["market.*", "control.*", "dead.*", "merger.changelog"] : "${local.topic}/${name}"]
        },
        {
          # How far output is readable: the age of what is open
          Sid      = "MeasureOutput"
          Action   = ["kafka-cluster:ReadData"]
          Resource = ["${local.topic}/market.*"]
        },
        {
          Sid      = "OwnGroup"
          Action   = ["kafka-cluster:DescribeGroup", "kafka-cluster:AlterGroup"]
          Resource = ["${local.group}/${var.merger_group}"]
        },
        {
          # `jetl2 admin task` and `rebuild` in its own container; the rest is for operators
          Sid      = "LookAsAdmin"
          Action   = ["kafka-cluster:DescribeGroup"]
          Resource = [local.admin_group]
        },
        {
          # Fencing can be believed because nobody else may use these
          Sid      = "OwnTransactions"
          Action   = ["kafka-cluster:DescribeTransactionalId", "kafka-cluster:AlterTransactionalId"]
          Resource = ["${local.transactional}/${var.merger_group}.task-*"]
        },
      ]
    }
    # A person with `jetl2 admin`: looks at everything, sends dead letters back, commits nothing
    operator = {
      statements = [
        local.connect,
        local.writes,
        {
          Sid    = "LookAtTopics"
          Action = ["kafka-cluster:DescribeTopic", "kafka-cluster:ReadData"]
          Resource = [
            for name in ["raw.*", "market.*", "control.*", "dead.*", "merger.changelog"] : "${local.topic}/${name}"
          ]
        },
        {
          # Reading asks for it, although nothing is committed
          Sid      = "OwnGroup"
          Action   = ["kafka-cluster:DescribeGroup", "kafka-cluster:AlterGroup"]
          Resource = [local.admin_group]
        },
        {
          # How far mergers are: never more than to look
          Sid      = "LookAtMergers"
          Action   = ["kafka-cluster:DescribeGroup"]
          Resource = ["${local.group}/${var.merger_group}"]
        },
        {
          # redrive sends outside of transactions: raw topics hold none
          Sid      = "Redrive"
          Action   = ["kafka-cluster:WriteData"]
          Resource = ["${local.topic}/raw.*"]
        },
        {
          Sid      = "NoteWhatWasRedriven"
          Action   = ["kafka-cluster:CreateTopic", "kafka-cluster:DescribeTopic", "kafka-cluster:ReadData", "kafka-cluster:WriteData"]
          Resource = ["${local.topic}/redrive.changelog"]
        },
        {
          # Two redrives at once fence each other by it
          Sid      = "OwnTransactions"
          Action   = ["kafka-cluster:DescribeTransactionalId", "kafka-cluster:AlterTransactionalId"]
          Resource = ["${local.transactional}/jetl2.admin.redrive"]
        },
      ]
    }
    # Kafka to the lake
    landing = {
      statements = [
        local.connect,
        local.writes,
        {
          Sid      = "ReadInput"
          Action   = ["kafka-cluster:DescribeTopic", "kafka-cluster:ReadData"]
          Resource = ["${local.topic}/market.*", "${local.topic}/raw.*"]
        },
        {
          Sid      = "OwnGroups"
          Action   = ["kafka-cluster:DescribeGroup", "kafka-cluster:AlterGroup"]
          Resource = local.landing_groups
        },
        {
          # Spark's readers bring their own names and never commit
          Sid      = "SparkReaders"
          Action   = ["kafka-cluster:DescribeGroup", "kafka-cluster:AlterGroup"]
          Resource = ["${local.group}/spark-kafka-*"]
        },
        {
          Sid      = "OwnTransactions"
          Action   = ["kafka-cluster:DescribeTransactionalId", "kafka-cluster:AlterTransactionalId"]
          Resource = local.landing_ids
        },
        {
          # Never DeleteObject: what landed stays
          Sid      = "WriteLake"
          Action   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
          Resource = ["${var.bucket_arns.lake}/*"]
        },
        { Sid = "ListLake", Action = ["s3:ListBucket"], Resource = [var.bucket_arns.lake] },
        local.code,
        local.own_keys,
        local.find_logs,
        local.write_log["landing"],
      ]
    }
    # Small objects of closed days to large ones: the only one that takes anything out of the lake
    compaction = {
      statements = [
        # Never a manifest: what landed stays written down
        { Sid = "ReadRows", Action = ["s3:GetObject"], Resource = ["${var.bucket_arns.lake}/data_type=*"] },
        {
          # Only under names that landing never writes
          Sid      = "WriteCompacted"
          Action   = ["s3:PutObject"]
          Resource = ["${var.bucket_arns.lake}/data_type=*-compact-*.parquet"]
        },
        {
          # Never DeleteObjectVersion: for noncurrent_days all of it can be brought back
          Sid      = "TakeAwayReplaced"
          Action   = ["s3:DeleteObject"]
          Resource = ["${var.bucket_arns.lake}/data_type=*.parquet"]
        },
        { Sid = "ListLake", Action = ["s3:ListBucket"], Resource = [var.bucket_arns.lake] },
        local.code,
        local.own_keys,
        local.find_logs,
        local.write_log["compaction"],
      ]
    }
    # Lake to exported files
    export = {
      statements = [
        { Sid = "ReadLake", Action = ["s3:GetObject"], Resource = ["${var.bucket_arns.lake}/*"] },
        {
          Sid      = "WriteDownloads"
          Action   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
          Resource = ["${var.bucket_arns.downloads}/*"]
        },
        { Sid = "List", Action = ["s3:ListBucket"], Resource = [var.bucket_arns.lake, var.bucket_arns.downloads] },
        local.code,
        local.own_keys,
        local.find_logs,
        local.write_log["export"],
      ]
    }
    # Exports, catalog and coverage; starts export jobs
    api-grpc = {
      statements = [
        { Sid = "ReadLake", Action = ["s3:GetObject"], Resource = ["${var.bucket_arns.lake}/*"] },
        {
          Sid      = "KeepExports"
          Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
          Resource = ["${var.bucket_arns.downloads}/*"]
        },
        { Sid = "List", Action = ["s3:ListBucket"], Resource = [var.bucket_arns.lake, var.bucket_arns.downloads] },
        local.own_keys,
        {
          Sid      = "StartExports"
          Action   = ["emr-serverless:StartJobRun", "emr-serverless:GetApplication"]
          Resource = [var.export_application_arn]
        },
        {
          Sid      = "FollowExports"
          Action   = ["emr-serverless:GetJobRun", "emr-serverless:CancelJobRun"]
          Resource = ["${var.export_application_arn}/jobruns/*"]
        },
        {
          Sid       = "RunThemAsExport"
          Action    = ["iam:PassRole"]
          Resource  = [aws_iam_role.this["export"].arn]
          Condition = { StringEquals = { "iam:PassedToService" = "emr-serverless.amazonaws.com" } }
        },
        {
          Sid      = "ApiKeys"
          Action   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
          Resource = ["${local.secrets}/api-grpc/*"]
        },
      ]
    }
  }

  secrets  = "arn:aws:secretsmanager:${var.region}:${var.account_id}:secret:${var.prefix}"
  services = { for name in ["ingestor", "merger", "api-grpc"] : name => "pods.eks.amazonaws.com" }
  jobs     = { for name in ["landing", "compaction", "export"] : name => "emr-serverless.amazonaws.com" }
}

resource "aws_iam_role" "this" {
  for_each = merge(local.services, local.jobs)

  name        = "${var.prefix}-${each.key}"
  description = "${var.prefix}: what ${each.key} may do"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = each.value }
      # Pod identity tags the session with pod and namespace
      Action    = each.value == "pods.eks.amazonaws.com" ? ["sts:AssumeRole", "sts:TagSession"] : ["sts:AssumeRole"]
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}

# Taken on by people, not by AWS' services
resource "aws_iam_role" "operator" {
  name        = "${var.prefix}-operator"
  description = "${var.prefix}: what a person may do with jetl2 admin"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = sort(var.operator_arns) }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  for_each = local.workloads

  name = "workload"
  role = each.key == "operator" ? aws_iam_role.operator.id : aws_iam_role.this[each.key].id

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [for statement in each.value.statements : merge({ Effect = "Allow" }, statement)]
  })
}

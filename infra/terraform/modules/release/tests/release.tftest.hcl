mock_provider "aws" {
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::123456789012:oidc-provider/made" }
  }
}

variables {
  prefix     = "jetl2-test"
  repository = "example/jetl2"
  repository_arns = {
    ingestor = "arn:aws:ecr:eu-central-1:123456789012:repository/jetl2-test/ingestor"
    merger   = "arn:aws:ecr:eu-central-1:123456789012:repository/jetl2-test/merger"
    api-grpc = "arn:aws:ecr:eu-central-1:123456789012:repository/jetl2-test/api-grpc"
  }
  artifacts_bucket_arn = "arn:aws:s3:::artifacts"
  jobs                 = ["landing", "export"]
  key_arn              = "arn:aws:kms:eu-central-1:123456789012:key/1"
}

run "one_repository_in_one_environment" {
  command = apply

  assert {
    condition = jsondecode(aws_iam_role.this.assume_role_policy).Statement == [{
      Effect    = "Allow"
      Principal = { Federated = "arn:aws:iam::123456789012:oidc-provider/made" }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = {
          "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
          "token.actions.githubusercontent.com:sub" = "repo:example/jetl2:environment:aws"
        }
      }
    }]
    error_message = "Another repository, or a job outside of the environment, may publish."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : statement.Sid => statement.Resource
      } == {
      Login      = ["*"]
      PushImages = [for name in ["api-grpc", "ingestor", "merger"] : "arn:aws:ecr:eu-central-1:123456789012:repository/jetl2-test/${name}"]
      PutJobs    = ["arn:aws:s3:::artifacts/export/*", "arn:aws:s3:::artifacts/landing/*"]
      ReadJars   = ["arn:aws:s3:::artifacts/jars/*"]
      ListJars   = ["arn:aws:s3:::artifacts"]
      Encryption = ["arn:aws:kms:eu-central-1:123456789012:key/1"]
    }
    error_message = "The workflow reaches something else than its repositories, folders and key."
  }

  assert {
    condition = alltrue(flatten([
      for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : [
        for action in statement.Action : !strcontains(action, "*") && !strcontains(action, "Delete")
      ]
    ]))
    error_message = "The workflow may do everything of something, or delete."
  }
}

run "the_account_has_a_provider" {
  command = plan

  variables {
    provider_arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.this) == 0 && jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Principal.Federated == var.provider_arn
    error_message = "The account's own provider is not used."
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    prefix       = "JetL2"
    repository   = "example/*"
    environment  = "*"
    provider_arn = "arn:aws:iam::123456789012:oidc-provider/elsewhere"
    jobs         = []
  }

  expect_failures = [var.prefix, var.repository, var.environment, var.provider_arn, var.jobs]
}

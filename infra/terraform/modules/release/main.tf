locals {
  issuer   = "token.actions.githubusercontent.com"
  provider = var.provider_arn == null ? aws_iam_openid_connect_provider.this["github"].arn : var.provider_arn
}

# An account has one of each issuer
resource "aws_iam_openid_connect_provider" "this" {
  for_each = toset(var.provider_arn == null ? ["github"] : [])

  url            = "https://${local.issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "this" {
  name        = "${var.prefix}-release"
  description = "${var.prefix}: GitHub's release workflow of ${var.repository} pushes images and jobs"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = local.provider }
      Action    = "sts:AssumeRoleWithWebIdentity"
      # A job says its environment only after whoever guards that environment has let it pass
      Condition = {
        StringEquals = {
          "${local.issuer}:aud" = "sts.amazonaws.com"
          "${local.issuer}:sub" = "repo:${var.repository}:environment:${var.environment}"
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "publish"
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for statement in [
      # AWS knows no narrower one: what the token lets one do is said below
      { Sid = "Login", Action = ["ecr:GetAuthorizationToken"], Resource = ["*"] },
      {
        # Signatures and bills of materials lie beside the image: who writes them reads it by its digest
        Sid = "PushImages"
        Action = [
          "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload",
          "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
        ]
        Resource = sort(values(var.repository_arns))
      },
      {
        Sid      = "PutJobs"
        Action   = ["s3:PutObject", "s3:AbortMultipartUpload"]
        Resource = [for job in sort(var.jobs) : "${var.artifacts_bucket_arn}/${job}/*"]
      },
      {
        # Spark's connector goes from there into each release's folder; large objects with their tags
        Sid      = "ReadJars"
        Action   = ["s3:GetObject", "s3:GetObjectTagging"]
        Resource = ["${var.artifacts_bucket_arn}/jars/*"]
      },
      {
        Sid       = "ListJars"
        Action    = ["s3:ListBucket"]
        Resource  = [var.artifacts_bucket_arn]
        Condition = { StringLike = { "s3:prefix" = ["jars/*"] } }
      },
      # Uploads in parts decrypt what they wrote before
      { Sid = "Encryption", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = [var.key_arn] },
    ] : merge({ Effect = "Allow" }, statement)]
  })
}

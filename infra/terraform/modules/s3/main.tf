locals {
  # Exported files can be made anew; the others cannot
  versioned = toset(["lake", "artifacts"])
  own_key   = toset(["lake", "downloads", "artifacts"])
  buckets   = setunion(local.own_key, ["inventory"], var.public ? ["public"] : [])

  # Anybody may read a published file, but nobody who is not known to AWS may use a key: S3's own is used
  algorithm = { for purpose in local.buckets : purpose => contains(local.own_key, purpose) ? "aws:kms" : "AES256" }

  tls_only = {
    for purpose in local.buckets : purpose => {
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.this[purpose].arn, "${aws_s3_bucket.this[purpose].arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }
  }

  more_statements = {
    public = [{
      Sid       = "AnybodyReads"
      Effect    = "Allow"
      Principal = "*"
      Action    = "s3:GetObject"
      Resource  = [for purpose in local.buckets : "${aws_s3_bucket.this[purpose].arn}/${var.public_prefix}/*" if purpose == "public"]
      Condition = {}
    }]
    inventory = [{
      Sid       = "InventoryOfTheLake"
      Effect    = "Allow"
      Principal = { Service = "s3.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource  = ["${aws_s3_bucket.this["inventory"].arn}/*"]
      Condition = { ArnLike = { "aws:SourceArn" = aws_s3_bucket.this["lake"].arn } }
    }]
  }
}

resource "aws_kms_key" "this" {
  description             = "${var.prefix}: objects at rest"
  enable_key_rotation     = true
  deletion_window_in_days = 30

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.prefix}-s3"
  target_key_id = aws_kms_key.this.key_id
}

resource "aws_s3_bucket" "this" {
  for_each = local.buckets

  bucket        = "${var.prefix}-${each.key}"
  force_destroy = var.force_destroy

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = local.buckets

  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = each.key != "public"
  ignore_public_acls      = true
  restrict_public_buckets = each.key != "public"
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    bucket_key_enabled = local.algorithm[each.key] == "aws:kms"

    apply_server_side_encryption_by_default {
      sse_algorithm     = local.algorithm[each.key]
      kms_master_key_id = local.algorithm[each.key] == "aws:kms" ? aws_kms_key.this.arn : null
    }
  }
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = local.versioned

  bucket = aws_s3_bucket.this[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat([local.tls_only[each.key]], lookup(local.more_statements, each.key, []))
  })

  # Both change the bucket's policy; at once they conflict
  depends_on = [aws_s3_bucket_public_access_block.this]
}

# What lies where, for reconciliation and cost: one row for each object and version, each week
resource "aws_s3_bucket_inventory" "lake" {
  bucket                   = aws_s3_bucket.this["lake"].id
  name                     = "lake"
  included_object_versions = "All"
  optional_fields          = ["Size", "LastModifiedDate", "StorageClass", "ETag", "EncryptionStatus"]

  schedule {
    frequency = "Weekly"
  }

  destination {
    bucket {
      bucket_arn = aws_s3_bucket.this["inventory"].arn
      format     = "Parquet"
      prefix     = "inventory"

      encryption {
        sse_s3 {}
      }
    }
  }

  depends_on = [aws_s3_bucket_policy.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    id     = "abandoned-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }

  dynamic "rule" {
    for_each = contains(["downloads", "public"], each.key) ? [1] : []

    content {
      id     = "exported-files"
      status = "Enabled"

      filter {}

      expiration {
        days = var.download_days
      }
    }
  }

  dynamic "rule" {
    for_each = each.key == "inventory" ? [1] : []

    content {
      id     = "old-inventories"
      status = "Enabled"

      filter {}

      expiration {
        days = 90
      }
    }
  }

  dynamic "rule" {
    for_each = contains(local.versioned, each.key) ? [1] : []

    content {
      id     = "replaced-objects"
      status = "Enabled"

      filter {}

      noncurrent_version_expiration {
        noncurrent_days = var.noncurrent_days
      }

      # What marks a deleted object whose versions are gone would slow each listing for good
      expiration {
        expired_object_delete_marker = true
      }
    }
  }

  # Raw events are kept to be read again after a mistake, which is rare: cheap to keep, still at hand
  dynamic "rule" {
    for_each = each.key == "lake" ? [1] : []

    content {
      id     = "raw-archive"
      status = "Enabled"

      filter {
        prefix = "data_type=raw/"
      }

      transition {
        days          = var.raw_hot_days
        storage_class = "GLACIER_IR"
      }
    }
  }

  # The rules on versions need versioning
  depends_on = [aws_s3_bucket_versioning.this]
}

moved {
  from = aws_s3_bucket_policy.tls_only
  to   = aws_s3_bucket_policy.this
}

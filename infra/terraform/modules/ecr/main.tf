resource "aws_ecr_repository" "this" {
  for_each = var.services

  name = "${var.prefix}/${each.key}"
  # A version that was deployed is what it was
  image_tag_mutability = "IMMUTABLE"
  # Destroying a repository that holds images is refused
  force_delete = var.force_delete

  encryption_configuration {
    encryption_type = "KMS"
  }

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  for_each = var.services

  repository = aws_ecr_repository.this[each.key].name
  policy = jsonencode({
    rules = [
      # Versions only: signatures and bills of materials hang on them, some without a tag, and go when
      # they go. A version never loses its tag
      {
        rulePriority = 1
        description  = "All but the newest versions"
        selection    = { tagStatus = "tagged", tagPatternList = ["*.*.*"], countType = "imageCountMoreThan", countNumber = var.keep }
        action       = { type = "expire" }
      },
    ]
  })
}

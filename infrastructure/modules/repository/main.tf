resource "aws_ecr_repository" "images" {
  #checkov:skip=CKV_AWS_136:images hold code and models, no data; AES-256 needs no key before the first push
  name                 = var.name
  image_tag_mutability = "IMMUTABLE"
  force_delete         = true # images are built again from a commit

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "AES256"
  }
}

# An untagged image is a build that was interrupted, or part of one that is gone. Tagged ones are kept
# by number, so that a version to roll back to is still there.
resource "aws_ecr_lifecycle_policy" "images" {
  repository = aws_ecr_repository.images.name

  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "Untagged images for a week"
        selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 7 }
        action       = { type = "expire" }
      },
      {
        rulePriority = 2
        description  = "The newest 50 images"
        selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 50 }
        action       = { type = "expire" }
      },
    ]
  })
}

# What could not be processed: the functions' dead-letter records, and the batches that event source
# mappings discarded. `terraform destroy` fails while there is an object in it.

resource "aws_s3_bucket" "dead_letters" {
  #checkov:skip=CKV_AWS_18:an access log would need a second bucket; CloudTrail data events show who read a record
  #checkov:skip=CKV_AWS_144:a dead letter is a copy of a record, redriven within days; a second region is a choice of its owner
  #checkov:skip=CKV2_AWS_62:alarms on the functions' and the mappings' own metrics tell of each object
  bucket = var.bucket
}

resource "aws_s3_bucket_versioning" "dead_letters" {
  bucket = aws_s3_bucket.dead_letters.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "dead_letters" {
  bucket = aws_s3_bucket.dead_letters.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = var.key_arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "dead_letters" {
  bucket                  = aws_s3_bucket.dead_letters.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "dead_letters" {
  bucket = aws_s3_bucket.dead_letters.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "dead_letters" {
  bucket     = aws_s3_bucket.dead_letters.id
  depends_on = [aws_s3_bucket_versioning.dead_letters]

  rule {
    id     = "retention"
    status = "Enabled"

    filter {}

    expiration {
      days = var.retention_days
    }

    noncurrent_version_expiration {
      noncurrent_days = 30
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

resource "aws_s3_bucket_policy" "dead_letters" {
  bucket     = aws_s3_bucket.dead_letters.id
  depends_on = [aws_s3_bucket_public_access_block.dead_letters]

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyByTLS"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.dead_letters.arn, "${aws_s3_bucket.dead_letters.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

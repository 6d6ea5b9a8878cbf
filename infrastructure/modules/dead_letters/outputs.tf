output "bucket" {
  description = "The bucket's name"
  value       = aws_s3_bucket.dead_letters.id
}

output "bucket_arn" {
  description = "The bucket's ARN"
  value       = aws_s3_bucket.dead_letters.arn
}

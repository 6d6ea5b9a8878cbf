output "url" {
  description = "Where images are pushed to"
  value       = aws_ecr_repository.images.repository_url
}

output "account_id" {
  description = "AWS account"
  value       = var.account_id
}

output "region" {
  description = "AWS region"
  value       = var.region
}

output "architecture" {
  description = "The functions' architecture, for which the image is built"
  value       = var.architecture
}

output "repository_url" {
  description = "Where images are pushed to"
  value       = module.repository.url
}

output "event_stream" {
  description = "Name and ARN of the stream of events"
  value       = { name = module.event_stream.name, arn = module.event_stream.arn }
}

output "prediction_stream" {
  description = "Name and ARN of the stream of predictions"
  value       = { name = module.prediction_stream.name, arn = module.prediction_stream.arn }
}

output "dead_letter_bucket" {
  description = "Bucket of dead letters and discarded batches"
  value       = module.dead_letters.bucket
}

output "alarm_topic_arn" {
  description = "SNS topic of the alarms"
  value       = module.observability.alarm_topic_arn
}

output "archive" {
  description = "Of the archive, or null: database (AWS Glue), tables (where each is), delivery_streams, log_group, alarms"
  value       = one(module.archive[*])
}

output "decisions" {
  description = "Of the decision service, or null: as an element of consumers, and openings_mapping_uuid, table, schedule"
  value       = one(values(module.decisions))
}

output "decision_stream" {
  description = "Name and ARN of the stream of decisions, or null"
  value       = one(module.decision_stream[*])
}

output "dashboard_name" {
  description = "CloudWatch dashboard"
  value       = module.observability.dashboard_name
}

output "consumers" {
  description = "By name: function_name, alias, alias_arn, version (published last), mapping_uuid, log_group, alarms, rollback_alarms"
  value       = module.consumer
}

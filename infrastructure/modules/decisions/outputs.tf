output "function_name" {
  description = "The function"
  value       = module.function.function_name
}

output "alias" {
  description = "The alias that mappings and schedule invoke"
  value       = module.function.alias
}

output "alias_arn" {
  description = "The alias's ARN"
  value       = module.function.alias_arn
}

output "version" {
  description = "The version that was published last"
  value       = module.function.version
}

output "mapping_uuid" {
  description = "The event source mapping of the results"
  value       = module.function.mapping_uuid
}

output "openings_mapping_uuid" {
  description = "The event source mapping of the events that open items, or null"
  value       = one(module.openings[*].uuid)
}

output "log_group" {
  description = "The log group"
  value       = module.function.log_group
}

output "alarms" {
  description = "Names of all alarms"
  value       = sort(concat(module.function.alarms, flatten(module.openings[*].alarms), values(aws_cloudwatch_metric_alarm.alarm)[*].alarm_name))
}

output "rollback_alarms" {
  description = "Names of the alarms that stop a deployment"
  value       = module.function.rollback_alarms
}

output "table" {
  description = "The table of items"
  value       = aws_dynamodb_table.items.name
}

output "schedule" {
  description = "The schedule of the ticks"
  value       = aws_scheduler_schedule.tick.name
}

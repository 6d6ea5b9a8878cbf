output "function_name" {
  description = "The function"
  value       = aws_lambda_function.function.function_name
}

output "alias" {
  description = "The alias that the mapping invokes"
  value       = aws_lambda_alias.live.name
}

output "alias_arn" {
  description = "The alias's ARN"
  value       = aws_lambda_alias.live.arn
}

output "version" {
  description = "The version that was published last"
  value       = aws_lambda_function.function.version
}

output "mapping_uuid" {
  description = "The event source mapping"
  value       = module.mapping.uuid
}

output "log_group" {
  description = "The log group"
  value       = aws_cloudwatch_log_group.function.name
}

output "alarms" {
  description = "Names of all alarms"
  value       = sort(concat(values(aws_cloudwatch_metric_alarm.alarm)[*].alarm_name, module.mapping.alarms))
}

output "rollback_alarms" {
  description = "Names of the alarms that stop a deployment"
  value       = sort([for name, alarm in aws_cloudwatch_metric_alarm.alarm : alarm.alarm_name if local.alarms[name].rolls_back])
}
